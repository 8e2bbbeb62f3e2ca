-- How far an erasure is. Whoever works on it, or waits for its turn, holds its lock. Locks: none. Rows: at most one.
SELECT
  e.id,
  CASE
    WHEN e.finished_at IS NOT NULL THEN 'finished'
    WHEN EXISTS (
      SELECT FROM pg_locks AS l
      WHERE
        l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
        AND l.classid::bigint = %(part)s::bigint AND l.objid::bigint = e.id
    ) THEN 'running'
    ELSE 'stopped'
  END AS state,
  e.keep_out, e.began_at, e.finished_at, e.step, e.step_done, e.step_total, e.moved_at,
  e.mentions + e.mentions_purged AS mentions, e.deltas, e.payloads, e.payloads_dropped, e.rejects, e.texts
FROM erasures AS e
WHERE e.id = %(id)s::bigint;
