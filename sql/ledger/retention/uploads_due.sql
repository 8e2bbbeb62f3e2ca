-- Uploads that were finished so long ago that their payloads and deltas may go, the oldest first. A failed upload keeps
-- them, since it can still be replayed or retracted, unless it was refused as a whole. An upload with a delta that
-- waits to be merged or summarized keeps them as well. So does an upload with posts that another upload counts which
-- may still be withdrawn: the posts would be handed over. Locks: none. Rows: one for each upload, `limit` at most.
SELECT id FROM uploads
WHERE purged_at IS NULL AND (state <> 'failed' OR error IS NOT NULL) AND finished_at < %(finished_before)s::timestamptz
  AND NOT EXISTS (
    SELECT FROM deltas AS d
    INNER JOIN batches AS b ON b.id = d.batch_id
    WHERE
      b.upload_id = uploads.id
      AND (d.merged_at IS NULL OR (d.summarized_at IS NOT NULL) <> (d.sign = 1))
  )
  AND NOT EXISTS (
    SELECT FROM batches AS h
    INNER JOIN post_repeats AS r ON r.holder_id = h.id
    INNER JOIN batches AS o ON o.id = r.owner_id
    INNER JOIN uploads AS w ON w.id = o.upload_id
    WHERE
      h.upload_id = uploads.id AND w.purged_at IS NULL
      AND ((w.finished_at < %(finished_before)s::timestamptz) IS NOT TRUE OR (w.state = 'failed' AND w.error IS NULL))
  )
ORDER BY finished_at
LIMIT %(limit)s::integer;
