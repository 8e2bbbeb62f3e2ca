-- What is counted of an upload so far. Locks: the caller has locked the upload's row. Rows: one.
SELECT
  count(*) FILTER (WHERE state = 'staged')::integer AS staged,
  count(*) FILTER (WHERE state IN ('staged', 'failed'))::integer AS uncounted,
  coalesce(sum(rows_received), 0)::bigint AS rows_received,
  coalesce(sum(rows_rejected), 0)::bigint AS rows_rejected
FROM batches WHERE upload_id = %(upload_id)s::uuid;
