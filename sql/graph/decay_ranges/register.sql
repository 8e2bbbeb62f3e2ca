-- Adds ranges for the blocks that were added since the last run. An `oldest` of NULL stands for any instant. Locks: the
-- caller holds the run's lock. Rows: none.
INSERT INTO decay_ranges (first_block, oldest)
SELECT first_block, coalesce(%(oldest)s::timestamptz, '-infinity')
FROM generate_series(
  (SELECT coalesce(max(first_block) + %(range_blocks)s::integer, 0) FROM decay_ranges),
  pg_relation_size('edges') / current_setting('block_size')::bigint - 1,
  %(range_blocks)s::integer
) AS first_block;
