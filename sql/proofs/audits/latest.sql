-- The unfinished audit and the finished one that was asked for last, the newest first. `held` says whether a worker
-- holds the lock of audits. Locks: none. Rows: two at most.
SELECT
  id, sample, asked_at, began_at, finished_at, attempts, process, key_id, owner, address, result, error,
  %(held)s::boolean AND finished_at IS NULL AS running
FROM (
  (SELECT * FROM audits WHERE finished_at IS NULL)
  UNION ALL
  (SELECT * FROM audits WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT 1)
) AS a
ORDER BY id DESC;
