-- Uploads that were finished so long ago that their payloads and deltas may go, the oldest first. A failed upload keeps
-- them, since it can still be replayed or retracted, unless it was refused as a whole. An upload with a delta that
-- waits to be summarized keeps them as well. Locks: none. Rows: one for each upload, `limit` at most.
SELECT id FROM uploads
WHERE purged_at IS NULL AND (state <> 'failed' OR error IS NOT NULL) AND finished_at < %(finished_before)s::timestamptz
  AND NOT EXISTS (
    SELECT FROM deltas AS d
    INNER JOIN batches AS b ON b.id = d.batch_id
    WHERE
      b.upload_id = uploads.id AND d.merged_at IS NOT NULL AND (d.summarized_at IS NOT NULL) <> (d.sign = 1)
  )
ORDER BY finished_at
LIMIT %(limit)s::integer;
