-- What merges noted, into the ranges. One that commits later is there for the next run.
WITH taken AS (DELETE FROM decay_notes RETURNING first_block, oldest)

UPDATE decay_ranges AS r SET oldest = least(r.oldest, n.oldest)
FROM (SELECT first_block, min(oldest) AS oldest FROM taken GROUP BY first_block) AS n
WHERE r.first_block = n.first_block;
