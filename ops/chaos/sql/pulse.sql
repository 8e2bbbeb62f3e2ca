-- How much work is pending, and when a batch last went on, and was last finished. One row.
SELECT
  (
    SELECT count(*) FROM batches AS b INNER JOIN uploads AS u ON u.id = b.upload_id
    WHERE b.state IN ('staged', 'counted', 'retracting') AND u.state NOT IN ('receiving', 'aborted', 'failed')
  ) AS pending,
  (SELECT count(*) FROM uploads WHERE finished_at IS NULL) AS unfinished,
  (SELECT count(*) FROM uploads WHERE sealed_at IS NOT NULL) AS sealed,
  (SELECT coalesce(sum(rows_received), 0)::bigint FROM batches WHERE state = 'applied') AS rows_applied,
  (
    SELECT at FROM ledger_events WHERE batch_id IS NOT NULL AND from_state IS NOT NULL
    ORDER BY id DESC LIMIT 1
  ) AS moved_at,
  (
    SELECT at FROM ledger_events WHERE batch_id IS NOT NULL AND to_state IN ('applied', 'retracted')
    ORDER BY id DESC LIMIT 1
  ) AS applied_at;
