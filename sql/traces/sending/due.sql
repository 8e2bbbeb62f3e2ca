-- Uploads whose spans are to be sent, the oldest first: finished since an instant, and nothing merged of them waits to
-- be summarized, unless they were finished before another instant. A zip stands for its files. Locks: the caller holds
-- the lock of traces. Rows: one for each upload, `limit` at most.
SELECT u.id, u.finished_at
FROM uploads AS u
WHERE
  u.trace_due AND u.finished_at > %(since)s::timestamptz
  AND (
    u.finished_at < %(settled)s::timestamptz
    OR NOT EXISTS (
      SELECT
      FROM batches AS b
      INNER JOIN deltas AS d ON d.batch_id = b.id
      WHERE
        b.upload_id = ANY(ARRAY[u.id] || ARRAY(SELECT m.id FROM uploads AS m WHERE m.parent_id = u.id))
        AND d.sign = 1 AND d.summarized_at IS NULL
    )
  )
ORDER BY u.finished_at
LIMIT %(limit)s::integer;
