-- receiving -> aborted for every upload whose receiver has not been heard of: its process is gone. Their batches are
-- deleted in the same transaction.
UPDATE uploads
SET state = 'aborted', error = %(error)s::jsonb, finished_at = %(now)s::timestamptz
WHERE state = 'receiving' AND heartbeat_at < %(silent_since)s::timestamptz
RETURNING id;
