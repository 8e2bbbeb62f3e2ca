-- staged or applying -> failed, for a reason of the upload's own: nothing of it was applied. Locks: the caller has
-- locked the upload's row. Rows: one; zero where the upload is in another state.
UPDATE uploads SET state = 'failed', error = %(error)s::jsonb, finished_at = %(now)s::timestamptz
WHERE id = %(id)s::uuid AND state IN ('staged', 'applying')
RETURNING id;
