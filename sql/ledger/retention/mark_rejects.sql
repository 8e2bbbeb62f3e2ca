-- From now on the upload's rejects are incomplete: said in the transaction that deletes the first of them. Zero rows:
-- it is not finished for so long any more.
UPDATE uploads SET rejects_purged_at = coalesce(rejects_purged_at, %(now)s::timestamptz)
WHERE id = %(upload_id)s::uuid AND finished_at < %(finished_before)s::timestamptz
RETURNING id;
