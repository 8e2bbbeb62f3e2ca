-- Enters the mentions of the whole graph by day. Locks: the caller holds the summaries' lock. Rows: none.
INSERT INTO graph_days (day, mentions)
SELECT t.day, t.mentions FROM unnest(%(days)s::date[], %(mentions)s::bigint[]) AS t (day, mentions);
