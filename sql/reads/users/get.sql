-- Which of a handle's possible ids (its hashes in the order of probing) is taken, and by whom. No locks.
SELECT id, handle, spelling FROM users WHERE id = ANY(%(ids)s::bigint[]);
