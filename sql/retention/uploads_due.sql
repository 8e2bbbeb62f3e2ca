-- Uploads finished so long ago that their payloads and deltas may go, the oldest first. A failed one keeps them, unless
-- it was refused as a whole: it can still be replayed or retracted. No locks.
SELECT id FROM uploads
WHERE purged_at IS NULL AND (state <> 'failed' OR error IS NOT NULL) AND finished_at < %(finished_before)s::timestamptz
ORDER BY finished_at
LIMIT %(limit)s::integer;
