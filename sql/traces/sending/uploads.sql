-- What the spans of uploads say, with the files of zips. Locks: none. Rows: one for each upload and file.
SELECT
  id, parent_id, traceparent, traced_from, tracestate, state, received_at, sealed_at, finished_at, received_by,
  size_bytes, batch_count, key_id, error ->> 'type' AS problem
FROM uploads
WHERE
  (id = ANY(%(ids)s::uuid[]) OR parent_id = ANY(%(ids)s::uuid[]))
  AND traceparent IS NOT NULL AND finished_at IS NOT NULL
ORDER BY id;
