-- Deletes the mentions of the whole graph by day. The caller enters them anew in the same transaction. Locks: the
-- caller holds the summaries' lock. Rows: none.
DELETE FROM graph_days;
