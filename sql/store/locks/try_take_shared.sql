-- Takes an advisory lock until the end of the transaction beside others that share it, if nobody holds it alone. Locks:
-- the advisory lock. Rows: one; false where another session holds the lock alone.
SELECT pg_try_advisory_xact_lock_shared(%(key)s::bigint) AS locked;
