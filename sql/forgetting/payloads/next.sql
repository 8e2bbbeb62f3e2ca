-- The next few batches with a payload, by id after one, up to the last one that a forgetting is about. Locks: none.
-- Rows: one for each batch, `limit` at most.
SELECT id, state, payload FROM batches
WHERE id > %(after)s::bigint AND id <= %(last)s::bigint AND payload IS NOT NULL
ORDER BY id
LIMIT %(limit)s::integer;
