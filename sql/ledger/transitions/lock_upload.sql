-- The state and options of one upload. Locks: its row, until the end of the transaction. Rows: at most one.
SELECT state, options, parent_id FROM uploads WHERE id = %(id)s::uuid FOR NO KEY UPDATE;
