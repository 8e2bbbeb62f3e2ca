-- failed -> applying (or checking) for the zips whose members are replayed. Locks: the zips' rows, after those of their
-- members. Rows: one for each zip.
UPDATE uploads
SET
  state = CASE WHEN (options ->> 'dry_run')::boolean THEN 'checking' ELSE 'applying' END, finished_at = NULL,
  trace_due = CASE WHEN trace_due IS NOT NULL THEN true END -- its spans are sent once more
WHERE id = ANY(%(ids)s::uuid[]) AND state = 'failed'
RETURNING id;
