-- Locks batches. A statement of its own, before `finish_batches`, so that two merges that each delete the last-but-one
-- delta of a batch see each other's work. Locks: the batches' rows, in the order of id; NO KEY, since rejects and
-- deltas that are being inserted lock the key. Rows: one for each batch.
SELECT id FROM batches WHERE id = ANY(%(ids)s::bigint[]) ORDER BY id FOR NO KEY UPDATE;
