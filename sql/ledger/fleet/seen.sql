-- Every process that has left a heartbeat, with the heartbeat's age. A process that has been silent for `replaced`
-- seconds is left out if it has a successor: of a host's silent processes of one role, the nth last that was heard of
-- needs n that started since, so that none takes the place of two. Locks: none. Rows: one for each process.
WITH silent AS (
  SELECT
    host, pid, born,
    row_number() OVER (PARTITION BY role, host ORDER BY seen_at DESC, pid, born) AS nth,
    (
      SELECT count(*) FROM processes AS s
      WHERE s.role = p.role AND s.host = p.host AND s.started_at > p.seen_at AND (s.pid, s.born) <> (p.pid, p.born)
    ) AS started_since
  FROM processes AS p
  WHERE seen_at < now() - make_interval(secs => %(replaced)s::double precision)
)

SELECT
  p.role, p.host, p.pid, p.born, p.started_at, p.seen_at,
  date_part('epoch', now() - p.seen_at) AS silent, date_part('epoch', now() - p.acted_at) AS idle
FROM processes AS p
LEFT JOIN silent AS s ON p.host = s.host AND p.pid = s.pid AND p.born = s.born
WHERE s.nth IS NULL OR s.nth > s.started_since
ORDER BY p.role, p.host, p.started_at, p.pid;
