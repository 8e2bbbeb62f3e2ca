-- Every attempt of batches. Locks: none. Rows: one for each attempt.
SELECT batch_id, claim, number, process, began_at, ended_at, outcome
FROM batch_attempts
WHERE batch_id = ANY(%(batch_ids)s::bigint[])
ORDER BY batch_id, began_at;
