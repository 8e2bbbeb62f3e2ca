-- What an upload's batches came to. One row.
SELECT
  coalesce(sum(rows_received), 0)::bigint AS rows, coalesce(sum(rows_rejected), 0)::bigint AS rejected,
  coalesce(sum(mentions), 0)::bigint AS mentions, coalesce(sum(edges), 0)::bigint AS edges, count(*) AS batches
FROM batches WHERE upload_id = %(id)s::uuid;
