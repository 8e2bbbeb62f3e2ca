-- A page of an upload's rejects in file order, after a line. Locks: none. Rows: one for each reject, `limit` at most.
SELECT line, batch_id, column_name, value, code, message, raw
FROM rejects
WHERE upload_id = %(upload_id)s::uuid AND line > %(after)s::bigint
ORDER BY line
LIMIT %(limit)s::integer;
