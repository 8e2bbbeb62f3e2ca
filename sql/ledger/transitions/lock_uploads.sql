-- Locks uploads. A statement of its own, so that `finish_uploads` sees what others committed. Locks: the uploads' rows,
-- in the order of id, after those of batches. Rows: for each upload the zip that holds it, or NULL.
SELECT parent_id FROM uploads WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE;
