-- What a purge would take now. Reads the finished uploads that are not purged. Locks: none. Rows: one.
SELECT
  (
    SELECT count(*) FROM batches AS b INNER JOIN uploads AS u ON u.id = b.upload_id
    WHERE u.purged_at IS NULL AND u.finished_at < %(finished_before)s::timestamptz AND b.payload IS NOT NULL
      AND (u.state <> 'failed' OR u.error IS NOT NULL)
  ) AS payloads,
  (
    SELECT count(*) FROM deltas AS d
    INNER JOIN batches AS b ON b.id = d.batch_id INNER JOIN uploads AS u ON u.id = b.upload_id
    WHERE
      u.purged_at IS NULL AND u.finished_at < %(finished_before)s::timestamptz AND d.merged_at IS NOT NULL
      AND (u.state <> 'failed' OR u.error IS NOT NULL)
  ) AS deltas,
  (
    SELECT count(*) FROM rejects AS r INNER JOIN uploads AS u ON u.id = r.upload_id
    WHERE u.finished_at < %(rejects_finished_before)s::timestamptz
  ) AS rejects;
