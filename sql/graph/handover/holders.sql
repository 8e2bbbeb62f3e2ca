-- The batches of other uploads that hold posts of these owners, the oldest first. A holder that left the graph has no
-- row in post_repeats any more. Locks: the caller has the lock of post ids, alone. Rows: one for each batch.
SELECT b.id, b.upload_id, b.payload IS NULL AS purged
FROM batches AS b
WHERE b.id IN (SELECT r.holder_id FROM post_repeats AS r WHERE r.owner_id = ANY(%(owner_ids)s::bigint[]))
ORDER BY b.id;
