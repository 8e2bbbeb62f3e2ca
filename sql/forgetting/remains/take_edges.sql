-- Takes a shard's edges from and to some users out of the graph. Locks: the caller holds the shard's lock. Rows: one
-- for each edge.
DELETE FROM edges
WHERE
  source_id BETWEEN %(lowest_id)s::bigint AND %(highest_id)s::bigint
  AND (source_id = ANY(%(ids)s::bigint[]) OR target_id = ANY(%(ids)s::bigint[]))
RETURNING source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen;
