-- The applied batches, by id, with the latest part of their deltas. Locks: none. Rows: one for each batch.
SELECT
  b.id, b.upload_id, b.size_bytes, b.payload IS NULL AS purged,
  (SELECT coalesce(max(d.part), 0) FROM deltas AS d WHERE d.batch_id = b.id) AS part
FROM batches AS b
WHERE b.state = 'applied'
ORDER BY b.id;
