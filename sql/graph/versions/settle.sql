-- Sets the instant of the last mention to that of the edges, none of which is written down. Costs a look at every edge.
-- Locks: the parts' rows. Rows: none.
UPDATE graph_versions SET last_mention = (SELECT max(weighed_at) FROM edges) WHERE part >= 0;
