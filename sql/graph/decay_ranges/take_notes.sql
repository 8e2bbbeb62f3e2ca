-- Moves what merges noted into the ranges. A note that commits later stays for the next run. Locks: the notes' and the
-- ranges' rows. Rows: none.
WITH taken AS (DELETE FROM decay_notes RETURNING first_block, oldest)

UPDATE decay_ranges AS r SET oldest = least(r.oldest, n.oldest)
FROM (SELECT first_block, min(oldest) AS oldest FROM taken GROUP BY first_block) AS n
WHERE r.first_block = n.first_block;
