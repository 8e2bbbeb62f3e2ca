-- Tells whether every edge that there is was archived. Locks: none. Rows: one.
SELECT NOT EXISTS (SELECT FROM edges) AND EXISTS (SELECT FROM edges_archive) AS all_archived;
