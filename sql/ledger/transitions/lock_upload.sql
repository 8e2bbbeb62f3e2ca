-- The state and options of one upload, and whether its posts have ids. Locks: its row, until the end of the
-- transaction. Rows: at most one.
SELECT state, options, format ->> 'id_scope' IS NOT NULL AS with_ids
FROM uploads WHERE id = %(id)s::uuid
FOR NO KEY UPDATE;
