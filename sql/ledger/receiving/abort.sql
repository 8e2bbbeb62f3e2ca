-- receiving -> aborted: cut off or refused. Its batches are deleted in the same transaction. Zero rows: done already.
UPDATE uploads
SET state = 'aborted', error = %(error)s::jsonb, finished_at = %(now)s::timestamptz
WHERE id = %(id)s::uuid AND state = 'receiving'
RETURNING id;
