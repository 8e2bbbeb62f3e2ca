-- Says that from now on the upload's rejects are incomplete, in the transaction that deletes the first of them. Locks:
-- the upload's row. Rows: one; zero where the upload is not finished for so long any more.
UPDATE uploads SET rejects_purged_at = coalesce(rejects_purged_at, %(now)s::timestamptz)
WHERE id = %(upload_id)s::uuid AND finished_at < %(finished_before)s::timestamptz
RETURNING id;
