-- One batch at a time.
LOCK TABLE bench.reference_edges IN ACCESS EXCLUSIVE MODE;
