-- Takes an advisory lock until the end of the transaction, beside others that share it, after waiting in the order of
-- asking. Locks: the advisory lock, shared. Rows: one.
SELECT pg_advisory_xact_lock_shared(%(key)s::bigint);
