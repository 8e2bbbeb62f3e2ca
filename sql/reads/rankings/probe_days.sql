-- The blocks that may hold days of some keys of a part, one of each run, through the primary keys. Locks: none. Rows:
-- one for each block.
SELECT DISTINCT ON (b.run, b.source_id, b.target_id) b.payload
FROM day_runs AS r
CROSS JOIN unnest(%(source_ids)s::bigint[], %(target_ids)s::bigint[]) AS k (source_id, target_id)
CROSS JOIN LATERAL (
  SELECT d.run, d.source_id, d.target_id, d.payload FROM day_blocks AS d
  WHERE d.part = r.part AND d.run = r.run AND (d.source_id, d.target_id) <= (k.source_id, k.target_id)
  ORDER BY d.source_id DESC, d.target_id DESC
  LIMIT 1
) AS b
WHERE r.part = %(part)s::smallint AND r.last_day >= %(first_day)s::date
ORDER BY b.run, b.source_id, b.target_id;
