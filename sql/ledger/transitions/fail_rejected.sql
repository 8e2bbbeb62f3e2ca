-- applying or checking -> failed: every row of the upload was rejected, so nothing of it is in the graph. Locks: the
-- caller has locked the upload's row. Rows: one; zero where the upload is in another state.
UPDATE uploads SET state = 'failed', error = %(error)s::jsonb, finished_at = %(now)s::timestamptz
WHERE id = %(id)s::uuid AND state IN ('staged', 'applying', 'checking')
RETURNING id;
