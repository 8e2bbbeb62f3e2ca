-- What the graph holds already, in as many sorted parts as are asked for: so its B-trees are filled as a graph's are
-- that grew, and not packed as by one sorted load.
INSERT INTO bench.limit_edges
SELECT source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen FROM public.edges
WHERE (target_id & 1023) %% %(parts)s::integer = %(part)s::integer
ORDER BY source_id, target_id;
