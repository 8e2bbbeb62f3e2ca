-- Everything the audit compares, in one statement and so in one snapshot: exact while work goes on. Reads every edge.
-- Locks: none. Rows: one.
SELECT
  (SELECT coalesce(sum(mention_count), 0)::bigint FROM edges) AS mentions_in_edges,
  (SELECT coalesce(sum(mention_count), 0)::bigint FROM edges_archive) AS mentions_in_archive,
  (SELECT coalesce(sum(sign * mentions), 0)::bigint FROM deltas WHERE merged_at IS NULL) AS mentions_pending,
  (SELECT coalesce(sum(mentions_made + self_mentions), 0)::bigint FROM user_totals) AS mentions_in_summaries,
  (
    -- In the graph, and not in the summaries yet; less what is the other way round.
    SELECT coalesce(
      sum(mentions * (((sign = 1) = (merged_at IS NOT NULL))::integer - (summarized_at IS NOT NULL)::integer)), 0
    )::bigint
    FROM deltas
  ) AS mentions_unsummarized,
  (
    SELECT abs(coalesce(sum(mentions_received - mentions_made), 0))::bigint FROM user_totals
  ) AS received_unlike_made,
  (
    -- Purged batches count mentions still that left the graph with a forgotten person; the erasures say how many.
    SELECT (coalesce(sum(b.mentions), 0) - (SELECT coalesce(sum(e.mentions_purged), 0) FROM erasures AS e))::bigint
    FROM batches AS b WHERE b.state IN ('counted', 'applied')
  ) AS mentions_in_ledger,
  (
    SELECT count(*) FROM edges AS e
    INNER JOIN edges_archive AS a ON a.source_id = e.source_id AND a.target_id = e.target_id
  ) AS edges_archived_and_not,
  (
    SELECT count(*) FROM edges AS e
    WHERE
      NOT EXISTS (SELECT FROM users AS u WHERE u.id = e.source_id)
      OR NOT EXISTS (SELECT FROM users AS u WHERE u.id = e.target_id)
  ) AS edges_without_users,
  (
    SELECT count(*) FROM batches AS b
    INNER JOIN uploads AS u ON u.id = b.upload_id
    LEFT JOIN (SELECT batch_id, count(*) AS kept FROM rejects GROUP BY batch_id) AS r ON r.batch_id = b.id
    WHERE u.rejects_purged_at IS NULL AND coalesce(b.rejects_kept, b.rows_rejected) <> coalesce(r.kept, 0)
  ) AS batches_with_lost_rejects,
  (
    -- A pending delta belongs to a batch on its way in, or out where its sign says so; a merged one to a batch that is
    -- in, or on its way; one that is held is not merged. A further part of a batch may come in later than the batch.
    SELECT count(*) FROM deltas AS d INNER JOIN batches AS b ON b.id = d.batch_id
    WHERE
      (d.held AND d.merged_at IS NOT NULL)
      OR NOT CASE
        WHEN d.merged_at IS NULL AND d.sign = 1 THEN b.state = 'counted' OR (d.part > 0 AND b.state = 'applied')
        WHEN d.merged_at IS NULL THEN b.state = 'retracting'
        WHEN d.sign = 1 THEN b.state IN ('counted', 'applied')
        ELSE b.state IN ('retracting', 'retracted')
      END
  ) AS orphaned_deltas,
  (
    -- Deltas go with the payload, when both are purged: while it is there, so are they.
    SELECT count(*) FROM batches AS b
    LEFT JOIN (SELECT batch_id, sum(mentions) AS mentions, sum(edges) AS edges FROM deltas GROUP BY batch_id) AS d
      ON d.batch_id = b.id
    WHERE
      b.state IN ('counted', 'applied')
      AND (d.batch_id IS NOT NULL OR b.payload IS NOT NULL)
      AND (coalesce(d.mentions, 0) <> b.mentions OR coalesce(d.edges, 0) <> b.edges)
  ) AS batches_unlike_their_deltas,
  (
    -- A post has one owner: the key is unique. So posts that batches own as they say are counted once.
    SELECT count(*)
    FROM (SELECT id, ids_owned FROM batches WHERE state IN ('counted', 'applied') AND ids_owned > 0) AS b
    FULL JOIN (SELECT batch_id, count(*) AS owned FROM post_ids GROUP BY batch_id) AS p ON p.batch_id = b.id
    WHERE b.ids_owned IS DISTINCT FROM p.owned
  ) AS batches_unlike_their_ids,
  (
    -- Those of an upload with a limit of rejects wait for its decision.
    SELECT count(*) FROM batches AS b
    INNER JOIN uploads AS u ON u.id = b.upload_id
    WHERE
      b.state IN ('counted', 'retracting')
      AND u.options ->> 'max_rejects' IS NULL
      AND NOT EXISTS (SELECT FROM deltas AS d WHERE d.batch_id = b.id AND d.merged_at IS NULL)
  ) AS batches_left_counted,
  (
    SELECT count(*) FROM uploads AS u
    WHERE
      u.state <> 'receiving'
      AND coalesce(u.batch_count, 0) <> (SELECT count(*) FROM batches AS b WHERE b.upload_id = u.id)
  ) AS uploads_missing_batches,
  (
    -- Counted batches of a failed upload with a limit of rejects wait, held, for the failed ones to be replayed.
    SELECT count(*) FROM uploads AS u
    WHERE
      u.finished_at IS NOT NULL
      AND EXISTS (
        SELECT FROM batches AS b
        WHERE
          b.upload_id = u.id
          AND (
            b.state IN ('staged', 'retracting')
            OR (b.state = 'counted' AND NOT (u.state = 'failed' AND u.options ->> 'max_rejects' IS NOT NULL))
          )
      )
  ) AS uploads_finished_early,
  (
    SELECT count(*) FROM uploads AS u
    WHERE
      u.state IN ('staged', 'applying', 'checking', 'cancelling', 'retracting')
      AND NOT EXISTS (
        SELECT FROM batches AS b WHERE b.upload_id = u.id AND b.state IN ('staged', 'counted', 'retracting')
      )
  ) AS uploads_left_unfinished,
  (
    SELECT count(*) FROM uploads AS u
    WHERE
      (
        u.state = 'failed' AND u.error IS NULL
        AND NOT EXISTS (SELECT FROM batches AS b WHERE b.upload_id = u.id AND b.state = 'failed')
      )
      OR EXISTS (
        SELECT FROM batches AS b
        WHERE
          b.upload_id = u.id
          AND NOT CASE u.state
            WHEN 'receiving' THEN b.state = 'staged'
            WHEN 'staged' THEN b.state = 'staged'
            WHEN 'applied' THEN b.state IN ('counted', 'applied')
            WHEN 'checking' THEN b.state IN ('staged', 'checked', 'failed')
            WHEN 'checked' THEN b.state IN ('staged', 'checked')
            WHEN 'cancelling' THEN b.state IN ('cancelled', 'retracting', 'retracted')
            WHEN 'cancelled' THEN b.state IN ('cancelled', 'retracting', 'retracted')
            WHEN 'retracting' THEN b.state IN ('cancelled', 'retracting', 'retracted')
            WHEN 'retracted' THEN b.state IN ('cancelled', 'retracting', 'retracted')
            -- With an error of its own it was withdrawn, or had every row rejected.
            WHEN 'failed'
              THEN u.error IS NULL OR b.state IN ('cancelled', 'retracted')
                OR (b.state IN ('applied', 'checked') AND b.rows_accepted = 0)
            WHEN 'applying' THEN b.state IN ('staged', 'counted', 'applied', 'failed')
            ELSE false
          END
      )
  ) AS uploads_unlike_their_batches;
