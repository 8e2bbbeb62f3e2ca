-- Locks zips. A statement of its own, so that `finish_zips` sees what others committed. Locks: the zips' rows, in the
-- order of id, after the rows of their members. Rows: one for each zip.
SELECT id FROM uploads WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE;
