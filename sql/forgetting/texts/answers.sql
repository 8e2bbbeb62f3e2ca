-- Idempotency keys that may hold a text, or whose answer may (see forgetting/texts/rejects). Locks: none. Rows: one for
-- each key.
SELECT key, answer FROM idempotency_keys
WHERE strpos(lower(key), %(needle)s::text) > 0 OR strpos(lower(answer::text), %(needle)s::text) > 0
ORDER BY key;
