-- What is kept under a key, and the state of its upload. Locks: none. Rows: at most one.
SELECT
  k.upload_id, k.fingerprint, k.answer_status, k.answer, u.state, u.duplicate_of
FROM idempotency_keys AS k
INNER JOIN uploads AS u ON u.id = k.upload_id
WHERE k.key = %(key)s::text;
