-- staged -> applying (or checking, for a dry run), with the first claim of one of the upload's batches. Locks: the
-- upload's row. Rows: one, with the zip that holds the upload; zero where the upload began already.
UPDATE uploads
SET state = CASE WHEN (options ->> 'dry_run')::boolean THEN 'checking' ELSE 'applying' END
WHERE id = %(id)s::uuid AND state = 'staged'
RETURNING parent_id;
