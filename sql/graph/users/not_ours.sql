-- Positions (from 0) of those handles that do not have their id: nobody has the id (free), or another handle has it
-- (taken). With the number of the latest erasure: who began to forget somebody had to wait for the lock that the
-- caller holds. Locks: none. Rows: one.
SELECT
  coalesce(array_agg(c.position::integer - 1) FILTER (WHERE u.id IS NULL), '{}') AS free,
  coalesce(array_agg(c.position::integer - 1) FILTER (WHERE u.id IS NOT NULL), '{}') AS taken,
  coalesce((SELECT max(id) FROM erasures), 0) AS erasures
FROM unnest(%(ids)s::bigint[], %(handles)s::text[]) WITH ORDINALITY AS c (id, handle, position)
LEFT JOIN users AS u ON u.id = c.id
WHERE u.handle IS DISTINCT FROM c.handle;
