-- What a batch holds, and how to read it, if its upload is of this owner. NULL: of whomever. Locks: none. Rows: at most
-- one.
SELECT b.first_line, b.payload, b.erased_at IS NOT NULL AS erased, b.size_bytes, u.options, u.format
FROM batches AS b
INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE b.id = %(batch_id)s::bigint AND (%(owner)s::text IS NULL OR u.owner = %(owner)s::text);
