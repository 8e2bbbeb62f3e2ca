-- Uploads finished so long ago that their payloads and deltas may go, the oldest first. No locks.
SELECT id FROM uploads
WHERE purged_at IS NULL AND finished_at < %(finished_before)s::timestamptz
ORDER BY finished_at
LIMIT %(limit)s::integer;
