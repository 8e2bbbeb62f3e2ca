-- Mentions in posts of each day from one day to another, as they were computed the last time. A day without a mention
-- has no row. Locks: none. Rows: one for each day.
SELECT day, mentions FROM graph_days WHERE day BETWEEN %(first)s::date AND %(last)s::date ORDER BY day;
