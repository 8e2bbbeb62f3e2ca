-- Takes an advisory lock until the end of the transaction, after waiting in the order of asking. Locks: the advisory
-- lock. Rows: one.
SELECT pg_advisory_xact_lock(%(key)s::bigint);
