-- The state and options of one upload, whether its posts have ids, and the zip that holds it. Locks: its row, until the
-- end of the transaction. Rows: at most one.
SELECT state, options, format ->> 'id_scope' IS NOT NULL AS with_ids, parent_id
FROM uploads WHERE id = %(id)s::uuid
FOR NO KEY UPDATE;
