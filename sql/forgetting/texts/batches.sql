-- Batches whose warnings or error may hold a text (see forgetting/texts/rejects). Locks: none. Rows: one for each
-- batch.
SELECT id, warnings, error FROM batches
WHERE strpos(lower(warnings::text), %(needle)s::text) > 0 OR strpos(lower(error::text), %(needle)s::text) > 0
ORDER BY id;
