-- staged or applying -> failed, for a reason of its own: nothing of it was applied. The row is locked.
UPDATE uploads SET state = 'failed', error = %(error)s::jsonb, finished_at = %(now)s::timestamptz
WHERE id = %(id)s::uuid AND state IN ('staged', 'applying')
RETURNING id;
