-- Keeps a password's verifier until the end of the transaction: statements about roles take no parameters. Locks: none.
-- Rows: one, of the verifier.
SELECT set_config('mentiongraph.verifier', %(verifier)s::text, true);
