-- The state and options of one upload, its row locked until the end of the transaction. At most one row.
SELECT state, options FROM uploads WHERE id = %(id)s::uuid FOR NO KEY UPDATE;
