-- The number of edges by number of mentions, without self-mentions: of blocks of the table that are chosen at random,
-- about `blocks` of them, or of all if there are no more. `share` is the share of blocks that were chosen. The choice
-- is the same while the table is. Locks: none. Rows: one for each bucket that has an edge.
SELECT
  width_bucket(edges.mention_count, %(bounds)s::bigint[]) AS bucket, count(*) AS edges,
  least(
    1, 1.0 * %(blocks)s::integer * current_setting('block_size')::integer / greatest(1, pg_relation_size('edges'))
  )::double precision AS share
FROM edges TABLESAMPLE system ( -- noqa: PRS
  least(
    100,
    100.0 * %(blocks)s::integer * current_setting('block_size')::integer / greatest(1, pg_relation_size('edges'))
  )
) REPEATABLE (0)
WHERE edges.source_id <> edges.target_id
GROUP BY bucket
ORDER BY bucket;
