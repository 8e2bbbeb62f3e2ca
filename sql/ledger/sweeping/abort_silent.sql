-- receiving -> aborted for every upload whose receiver has been silent: its process is gone. The caller deletes the
-- batches in the same transaction. Locks: the uploads' rows. Rows: one for each upload.
UPDATE uploads
SET state = 'aborted', error = %(error)s::jsonb, finished_at = %(now)s::timestamptz
WHERE state = 'receiving' AND heartbeat_at < %(silent_since)s::timestamptz
RETURNING id;
