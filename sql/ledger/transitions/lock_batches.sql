-- Row locks in the order of id: a statement of its own, before `finish`, so that two merges that each delete the
-- last-but-one delta of a batch see each other's work. NO KEY: rejects and deltas that are being inserted lock the key.
SELECT id FROM batches WHERE id = ANY(%(ids)s::bigint[]) ORDER BY id FOR NO KEY UPDATE;
