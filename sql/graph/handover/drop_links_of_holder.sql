-- Forgets whose posts a batch holds; the caller notes them anew. Locks: the caller has the lock of post ids, alone.
-- Rows: none.
DELETE FROM post_repeats WHERE holder_id = %(holder_id)s::bigint;
