-- Edges in the graph.
SELECT count(*) FROM edges;
