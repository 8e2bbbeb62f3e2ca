-- Takes an advisory lock until the end of the transaction, if nobody else holds it. Locks: the advisory lock. Rows:
-- one; false where another session holds the lock.
SELECT pg_try_advisory_xact_lock(%(key)s::bigint) AS locked;
