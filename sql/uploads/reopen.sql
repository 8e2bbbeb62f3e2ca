-- failed -> applying, when some of its batches are replayed.
UPDATE uploads SET state = 'applying', finished_at = NULL, error = NULL
WHERE id = ANY(%(ids)s::uuid[]) AND state = 'failed'
RETURNING id;
