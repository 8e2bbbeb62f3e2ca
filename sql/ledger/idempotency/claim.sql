-- Claims a key for an upload that begins. The key is new, or the upload's own (an earlier try whose answer was lost),
-- or its upload came to nothing before it was answered. Locks: the key's row, after waiting for another claim of the
-- same instant. Rows: one; zero where another upload has the key.
INSERT INTO idempotency_keys AS k (key, upload_id, created_at)
VALUES (%(key)s::text, %(upload_id)s::uuid, %(now)s::timestamptz)
ON CONFLICT (key) DO UPDATE
SET upload_id = excluded.upload_id, created_at = excluded.created_at
WHERE
  k.answer_status IS NULL
  AND (
    k.upload_id = excluded.upload_id
    OR EXISTS (
      SELECT FROM uploads AS u
      WHERE u.id = k.upload_id AND u.state IN ('aborted', 'cancelled')
    )
  )
RETURNING k.key;
