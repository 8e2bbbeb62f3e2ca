-- The payloads of a few deltas of a shard. Locks: none, since the deltas stay until they are summarized. Rows: one for
-- each delta.
SELECT batch_id, payload, days FROM deltas
WHERE shard = %(shard)s::smallint AND batch_id = ANY(%(batch_ids)s::bigint[]);
