-- Adds what waits in metric_counts to metric_totals. A reader sees each count once: in one table or in the other.
-- Counts that are not committed yet wait for the next time, as do those beyond a bound. A count is never updated, so it
-- stays at its place. Locks: the counts that it deletes, then totals in the order of name. Rows: none.
WITH taken AS (
  DELETE FROM metric_counts
  WHERE ctid = ANY(ARRAY(SELECT c.ctid FROM metric_counts AS c ORDER BY c.ctid LIMIT %(most)s::integer))
  RETURNING names, amounts
)

INSERT INTO metric_totals AS t (name, total)
SELECT k.name, sum(k.amount)
FROM taken AS c CROSS JOIN LATERAL unnest(c.names, c.amounts) AS k (name, amount)
GROUP BY k.name
ORDER BY k.name
ON CONFLICT (name) DO UPDATE SET total = t.total + excluded.total;
