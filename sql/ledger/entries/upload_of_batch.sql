-- The upload that a batch belongs to, if the upload is of this owner. NULL: of whomever. Locks: none. Rows: at most
-- one.
SELECT b.upload_id
FROM batches AS b INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE b.id = %(id)s::bigint AND (%(owner)s::text IS NULL OR u.owner = %(owner)s::text);
