-- receiving -> aborted: the upload was cut off or refused. The caller deletes its batches in the same transaction.
-- Locks: the upload's row. Rows: one; zero where this was done already.
UPDATE uploads
SET state = 'aborted', error = %(error)s::jsonb, finished_at = %(now)s::timestamptz
WHERE id = %(id)s::uuid AND state = 'receiving'
RETURNING id;
