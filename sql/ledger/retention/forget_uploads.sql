-- Deletes the entries of uploads of which nothing is in the graph. Locks: the caller has locked their rows. Rows: none;
-- the count of deleted rows is the answer.
DELETE FROM uploads WHERE id = ANY(%(ids)s::uuid[]);
