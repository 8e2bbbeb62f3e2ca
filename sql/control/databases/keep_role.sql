-- Keeps a role's name until the end of the transaction: statements about roles take no parameters. Locks: none. Rows:
-- one, of the name.
SELECT set_config('mentiongraph.role', %(role)s::text, true);
