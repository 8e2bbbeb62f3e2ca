-- A secret, by its name. Locks: none. Rows: one, or none.
SELECT secret FROM secrets WHERE name = %(name)s::text;
