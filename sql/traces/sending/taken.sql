-- The traces of batches that a pass took. Locks: none. Rows: one for each batch whose upload has a trace.
SELECT b.id AS batch_id, b.upload_id, u.traceparent
FROM batches AS b
INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE b.id = ANY(%(batch_ids)s::bigint[]) AND u.traceparent IS NOT NULL
ORDER BY b.id;
