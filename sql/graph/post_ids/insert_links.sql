-- Notes which batches of other uploads own posts that a batch holds. Locks: the caller has the lock of post ids, so
-- that no owner leaves the graph meanwhile. Rows: none.
INSERT INTO post_repeats (holder_id, owner_id)
SELECT h.id AS holder_id, o.id AS owner_id
FROM batches AS h
INNER JOIN batches AS o ON o.upload_id <> h.upload_id
WHERE h.id = %(holder_id)s::bigint AND o.id = ANY(%(owner_ids)s::bigint[])
ON CONFLICT (holder_id, owner_id) DO NOTHING;
