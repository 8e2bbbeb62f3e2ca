-- Whether the limit's table holds as many edges and mentions as the graph: then both did the same work.
SELECT
  (SELECT (count(*), sum(mention_count)) FROM bench.limit_edges)
  = (SELECT (count(*), sum(mention_count)) FROM public.edges) AS same;
