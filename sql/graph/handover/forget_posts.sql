-- Forgets the posts that these batches own still: nobody else holds them, so the next batch that has one counts it.
-- Locks: the caller has the lock of post ids, alone; the posts' rows. Rows: none.
DELETE FROM post_ids WHERE batch_id = ANY(%(owner_ids)s::bigint[]);
