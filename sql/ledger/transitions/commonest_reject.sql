-- Why every row of an upload was rejected: the commonest code, how many rejects have the code, and the first kept row
-- with it, if one is kept. Batches of earlier releases do not say their codes: then the first `limit` rejects are
-- looked at, since there may be many millions. Locks: the caller has locked the upload's row. Rows: one; zero where no
-- code is known and the rejects were purged.
WITH numbers AS (
  SELECT
    sum(rows_rejected)::bigint AS rows_rejected,
    bool_and(rows_rejected = 0 OR reject_codes IS NOT NULL) AS codes_known
  FROM batches WHERE upload_id = %(id)s::uuid
),

counted AS (
  SELECT c.key AS code, sum(c.value::bigint)::bigint AS found
  FROM batches AS b CROSS JOIN LATERAL jsonb_each_text(b.reject_codes) AS c
  WHERE b.upload_id = %(id)s::uuid
  GROUP BY c.key
),

looked_at AS (
  SELECT
    r.code, count(*) AS found,
    (array_agg(r.line ORDER BY r.line))[1] AS line, (array_agg(r.message ORDER BY r.line))[1] AS message
  FROM (
    SELECT line, code, message FROM rejects
    WHERE upload_id = %(id)s::uuid
    ORDER BY line
    LIMIT %(limit)s::integer
  ) AS r
  GROUP BY r.code
)

SELECT
  n.rows_rejected, coalesce(c.code, l.code) AS code, CASE WHEN n.codes_known THEN c.found ELSE l.found END AS with_code,
  n.codes_known OR n.rows_rejected <= %(limit)s::integer AS all_looked_at, l.line, l.message
FROM numbers AS n CROSS JOIN (counted AS c FULL JOIN looked_at AS l ON l.code = c.code)
WHERE CASE WHEN n.codes_known THEN c.found ELSE l.found END IS NOT NULL
ORDER BY with_code DESC, l.line
LIMIT 1;
