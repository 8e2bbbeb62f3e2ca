-- The mentions that the graph and its archive hold of some edges. Locks: none. Rows: one, with a number for each edge
-- in the order of the edges; 0 where the edge is not there.
SELECT array_agg(coalesce(e.mention_count, 0) + coalesce(a.mention_count, 0) ORDER BY k.place) AS mentions
FROM unnest(%(sources)s::bigint[], %(targets)s::bigint[]) WITH ORDINALITY AS k (source_id, target_id, place)
LEFT JOIN edges AS e ON e.source_id = k.source_id AND e.target_id = k.target_id
LEFT JOIN edges_archive AS a ON a.source_id = k.source_id AND a.target_id = k.target_id;
