-- Row locks, in the order of id, after those of batches: a statement of its own, so that `finish` sees what others
-- committed.
SELECT id FROM uploads WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE;
