-- Makes a batch the owner of those of its posts that these batches own. Locks: the caller has the lock of post ids,
-- alone; the posts' rows. Rows: one for each post, by its position (from 0) among the keys.
UPDATE post_ids AS p
SET batch_id = %(holder_id)s::bigint
FROM unnest(%(keys)s::uuid[]) WITH ORDINALITY AS k (key, position)
WHERE p.key = k.key AND p.batch_id = ANY(%(owner_ids)s::bigint[])
RETURNING k.position::integer - 1;
