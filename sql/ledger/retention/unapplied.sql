-- Uploads of which nothing is in the graph, and whose time is over: finished before an instant, or older than the
-- newest `kept` of them. An upload stays while another is its duplicate, while one of its files is of another kind, and
-- while a delta or a post of it is there. Locks: none. Rows: one for each upload, the oldest first, `limit` at most.
SELECT u.id
FROM uploads AS u
WHERE
  u.parent_id IS NULL
  AND (u.state IN ('aborted', 'duplicate', 'checked', 'cancelled') OR (u.state = 'failed' AND u.error IS NOT NULL))
  AND (
    u.finished_at < %(finished_before)s::timestamptz
    OR u.finished_at <= (
      SELECT n.finished_at FROM uploads AS n
      WHERE
        n.parent_id IS NULL
        AND (
          n.state IN ('aborted', 'duplicate', 'checked', 'cancelled') OR (n.state = 'failed' AND n.error IS NOT NULL)
        )
      ORDER BY n.finished_at DESC
      LIMIT 1 OFFSET %(kept)s::integer
    )
  )
  AND NOT EXISTS (
    SELECT FROM uploads AS m
    WHERE
      m.parent_id = u.id
      AND m.state NOT IN ('aborted', 'duplicate', 'checked', 'cancelled')
      AND (m.state <> 'failed' OR m.error IS NULL)
  )
  AND NOT EXISTS (
    SELECT FROM uploads AS f
    INNER JOIN uploads AS d ON d.duplicate_of = f.id
    WHERE f.id = u.id OR f.parent_id = u.id
  )
  AND NOT EXISTS (
    SELECT FROM uploads AS f
    INNER JOIN batches AS b ON b.upload_id = f.id
    WHERE
      (f.id = u.id OR f.parent_id = u.id)
      AND (
        EXISTS (SELECT FROM deltas AS e WHERE e.batch_id = b.id)
        OR EXISTS (SELECT FROM post_ids AS p WHERE p.batch_id = b.id)
        OR EXISTS (SELECT FROM post_repeats AS r WHERE r.holder_id = b.id OR r.owner_id = b.id)
      )
  )
ORDER BY u.finished_at
LIMIT %(limit)s::integer;
