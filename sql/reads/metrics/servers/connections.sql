-- Connections to the server's databases, by state. A role without pg_monitor is not told the state of connections of
-- other roles: these are `hidden`. Locks: none. Rows: one for each state.
SELECT coalesce(a.state, 'hidden') AS state, count(*) AS connections
FROM pg_stat_activity AS a
WHERE a.datid IS NOT NULL
GROUP BY coalesce(a.state, 'hidden');
