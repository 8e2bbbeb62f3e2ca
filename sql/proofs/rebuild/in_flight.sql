-- The number of uploads that are on their way into the graph or out of it, or that took over posts which are. Locks:
-- the caller holds every shard's lock. Rows: one.
SELECT count(*) AS uploads FROM uploads AS u
WHERE
  u.state IN ('staged', 'applying', 'cancelling', 'retracting')
  OR (
    u.state IN ('applied', 'failed')
    AND EXISTS (
      SELECT FROM deltas AS d
      INNER JOIN batches AS b ON b.id = d.batch_id
      WHERE b.upload_id = u.id AND d.part > 0 AND d.merged_at IS NULL AND NOT d.held
    )
  );
