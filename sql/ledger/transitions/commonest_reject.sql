-- Why every row of an upload was rejected: the commonest code of its first rejects, how many of them have the code, and
-- the first row with it. Reads no more than `limit` rejects, since there may be many millions. Locks: the caller has
-- locked the upload's row. Rows: one; zero where the rejects were purged.
SELECT
  b.rows_rejected, r.code, count(*) AS looked_at_with_code, b.rows_rejected <= %(limit)s::integer AS all_looked_at,
  (array_agg(r.line ORDER BY r.line))[1] AS line, (array_agg(r.message ORDER BY r.line))[1] AS message
FROM (SELECT sum(rows_rejected)::bigint AS rows_rejected FROM batches WHERE upload_id = %(id)s::uuid) AS b
CROSS JOIN (
  SELECT line, code, message FROM rejects
  WHERE upload_id = %(id)s::uuid
  ORDER BY line
  LIMIT %(limit)s::integer
) AS r
GROUP BY b.rows_rejected, r.code
ORDER BY count(*) DESC, min(r.line)
LIMIT 1;
