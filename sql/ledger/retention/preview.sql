-- What a purge would take now. Reads the finished uploads that are not purged. Locks: none. Rows: one.
WITH due AS (
  SELECT u.id FROM uploads AS u
  WHERE
    u.purged_at IS NULL AND u.finished_at < %(finished_before)s::timestamptz
    AND (u.state <> 'failed' OR u.error IS NOT NULL)
    AND NOT EXISTS (
      SELECT FROM batches AS h
      INNER JOIN post_repeats AS r ON r.holder_id = h.id
      INNER JOIN batches AS o ON o.id = r.owner_id
      INNER JOIN uploads AS w ON w.id = o.upload_id
      WHERE
        h.upload_id = u.id AND w.purged_at IS NULL
        AND ((w.finished_at < %(finished_before)s::timestamptz) IS NOT TRUE OR (w.state = 'failed' AND w.error IS NULL))
    )
)

SELECT
  (
    SELECT count(*) FROM batches AS b INNER JOIN due AS u ON u.id = b.upload_id WHERE b.payload IS NOT NULL
  ) AS payloads,
  (
    SELECT count(*) FROM deltas AS d
    INNER JOIN batches AS b ON b.id = d.batch_id INNER JOIN due AS u ON u.id = b.upload_id
    WHERE d.merged_at IS NOT NULL
  ) AS deltas,
  (
    SELECT count(*) FROM rejects AS r INNER JOIN uploads AS u ON u.id = r.upload_id
    WHERE u.finished_at < %(rejects_finished_before)s::timestamptz
  ) AS rejects;
