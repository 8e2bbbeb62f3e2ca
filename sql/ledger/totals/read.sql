-- Every counter, with what waits to be added to it; and under no name, how many counts wait. Locks: none. Rows: one for
-- each counter that ever counted, and one more.
SELECT k.name, sum(k.total) AS total
FROM (
  SELECT t.name, t.total FROM metric_totals AS t
  UNION ALL
  SELECT u.name, u.amount FROM metric_counts AS c CROSS JOIN LATERAL unnest(c.names, c.amounts) AS u (name, amount)
  UNION ALL
  SELECT '', count(*)::double precision FROM metric_counts
) AS k
GROUP BY k.name;
