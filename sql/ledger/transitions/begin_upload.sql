-- staged -> applying (or checking, for a dry run), with the first claim of one of its batches. Zero rows: it began
-- already.
UPDATE uploads
SET state = CASE WHEN (options ->> 'dry_run')::boolean THEN 'checking' ELSE 'applying' END
WHERE id = %(id)s::uuid AND state = 'staged'
RETURNING id;
