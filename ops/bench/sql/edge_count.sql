-- Edges in the graph.
SELECT count(*) AS edges FROM edges;
