-- Ready for the next upload's edges.
TRUNCATE bench.limit_source;
