-- Positions (from 0) of those of these posts that another batch owns, and who these owners are. Locks: none. Rows: one.
SELECT
  coalesce(array_agg(k.position::integer - 1), '{}') AS positions,
  coalesce(array_agg(DISTINCT p.batch_id), '{}') AS owners
FROM unnest(%(keys)s::uuid[]) WITH ORDINALITY AS k (key, position)
INNER JOIN post_ids AS p ON p.key = k.key
WHERE p.batch_id <> %(batch_id)s::bigint;
