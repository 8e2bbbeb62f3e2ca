-- failed -> applying (or checking), when some of an upload's batches are replayed. Locks: the uploads' rows. Rows: one
-- for each upload.
UPDATE uploads
SET
  state = CASE WHEN (options ->> 'dry_run')::boolean THEN 'checking' ELSE 'applying' END,
  finished_at = NULL, error = NULL,
  trace_due = CASE WHEN trace_due IS NOT NULL THEN true END -- its spans are sent once more
WHERE id = ANY(%(ids)s::uuid[]) AND state = 'failed'
RETURNING id;
