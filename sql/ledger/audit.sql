-- Everything the audit compares, in one statement and so in one snapshot: exact while work goes on. One row.
SELECT
  (SELECT coalesce(sum(mention_count), 0)::bigint FROM edges) AS mentions_in_edges,
  (SELECT coalesce(sum(mention_count), 0)::bigint FROM edges_archive) AS mentions_in_archive,
  (SELECT coalesce(sum(mentions), 0)::bigint FROM deltas) AS mentions_pending,
  (SELECT coalesce(sum(mentions), 0)::bigint FROM batches WHERE state IN ('counted', 'applied')) AS mentions_in_ledger,
  (
    SELECT count(*) FROM edges AS e
    WHERE
      NOT EXISTS (SELECT FROM users AS u WHERE u.id = e.source_id)
      OR NOT EXISTS (SELECT FROM users AS u WHERE u.id = e.target_id)
  ) AS edges_without_users,
  (
    SELECT count(*) FROM batches AS b
    WHERE b.rows_rejected <> (SELECT count(*) FROM rejects AS r WHERE r.batch_id = b.id)
  ) AS batches_with_lost_rejects,
  (
    SELECT count(*) FROM deltas AS d INNER JOIN batches AS b ON b.id = d.batch_id WHERE b.state <> 'counted'
  ) AS orphaned_deltas,
  (
    SELECT count(*) FROM batches AS b
    WHERE b.state = 'counted' AND NOT EXISTS (SELECT FROM deltas AS d WHERE d.batch_id = b.id)
  ) AS batches_left_counted,
  (
    SELECT count(*) FROM uploads AS u
    WHERE
      (u.state IN ('staged', 'applying', 'applied', 'failed'))
      AND u.batch_count <> (SELECT count(*) FROM batches AS b WHERE b.upload_id = u.id)
  ) AS uploads_missing_batches,
  (
    SELECT count(*) FROM uploads AS u
    WHERE
      u.state IN ('applied', 'failed')
      AND EXISTS (SELECT FROM batches AS b WHERE b.upload_id = u.id AND b.state IN ('staged', 'counted'))
  ) AS uploads_finished_early;
