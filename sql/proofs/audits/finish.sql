-- Writes down what came of an audit. Locks: the audit's row. Rows: none; the count is the answer.
UPDATE audits
SET finished_at = %(now)s::timestamptz, result = %(result)s::jsonb, error = %(error)s::jsonb
WHERE id = %(id)s::bigint AND finished_at IS NULL;
