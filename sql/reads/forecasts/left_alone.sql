-- Of the users at the ends of some edges, the number of those who have no other edge, in the graph or in its archive.
-- For each user the number of these edges is given, by direction. No more edges of a user are read than these and one
-- more. Locks: none. Rows: one.
SELECT count(*) AS users
FROM unnest(%(users)s::bigint[], %(made)s::bigint[], %(received)s::bigint[]) AS k (user_id, made, received)
WHERE
  k.made = (
    SELECT count(*) FROM (
      (SELECT 1 AS edge FROM edges AS e WHERE e.source_id = k.user_id ORDER BY e.source_id LIMIT k.made + 1)
      UNION ALL
      (SELECT 1 AS edge FROM edges_archive AS e WHERE e.source_id = k.user_id ORDER BY e.source_id LIMIT k.made + 1)
    ) AS m
  )
  AND k.received = (
    SELECT count(*) FROM (
      (SELECT 1 AS edge FROM edges AS e WHERE e.target_id = k.user_id ORDER BY e.target_id LIMIT k.received + 1)
      UNION ALL
      (SELECT 1 AS edge FROM edges_archive AS e WHERE e.target_id = k.user_id ORDER BY e.target_id LIMIT k.received + 1)
    ) AS m
  );
