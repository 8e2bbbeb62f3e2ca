-- Forgets who holds posts of these batches: their upload can't be withdrawn any more, so the batches count the posts
-- for ever. Locks: the caller shares the lock of post ids. Rows: none.
DELETE FROM post_repeats WHERE owner_id = ANY(%(batch_ids)s::bigint[]);
