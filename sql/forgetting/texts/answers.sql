-- Idempotency keys that may hold a text, or whose answer may (see forgetting/texts/rejects), a few at a time, after
-- one. Locks: the keys' rows, since an answer may just be written. Rows: one for each key, `limit` at most.
SELECT key, answer FROM idempotency_keys
WHERE
  key > %(after_key)s::text
  AND (strpos(lower(key), %(needle)s::text) > 0 OR strpos(lower(answer::text), %(needle)s::text) > 0)
ORDER BY key
LIMIT %(limit)s::integer
FOR NO KEY UPDATE;
