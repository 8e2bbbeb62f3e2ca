-- Before each measurement of the limit.
ANALYZE bench.limit_source;
CHECKPOINT;
