"""The graph: posts become counted mentions, mentions become deltas, deltas become edges, and edges decay.

Whatever changes an edge holds its shard's lock (app/store/locks.py) and advances the graph's version."""
