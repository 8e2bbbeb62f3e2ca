-- Tells which of a handle's possible ids (its hashes in the order of probing) is taken, and by whom. Locks: none. Rows:
-- one for each id that is taken.
SELECT id, handle, spelling FROM users WHERE id = ANY(%(ids)s::bigint[]);
