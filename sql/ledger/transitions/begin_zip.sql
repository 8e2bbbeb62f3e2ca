-- staged -> applying (or checking, for a dry run) for the zip that holds a file, with the first claim of a batch of
-- that file. Locks: the zip's row, after the row of the file. Rows: one; zero where the zip began already.
UPDATE uploads
SET state = CASE WHEN (options ->> 'dry_run')::boolean THEN 'checking' ELSE 'applying' END
WHERE id = %(id)s::uuid AND state = 'staged'
RETURNING id;
