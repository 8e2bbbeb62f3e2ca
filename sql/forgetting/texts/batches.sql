-- Batches whose warnings or error may hold a text (see forgetting/texts/rejects), a few at a time, after one. Locks:
-- the batches' rows, in the order of id. Rows: one for each batch, `limit` at most.
SELECT id, warnings, error FROM batches
WHERE
  id > %(after_id)s::bigint
  AND (strpos(lower(warnings::text), %(needle)s::text) > 0 OR strpos(lower(error::text), %(needle)s::text) > 0)
ORDER BY id
LIMIT %(limit)s::integer
FOR NO KEY UPDATE;
