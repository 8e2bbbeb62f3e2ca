-- This database is no graph of a service any more. Locks: the row. Rows: none.
DELETE FROM secrets WHERE name = 'graph';
