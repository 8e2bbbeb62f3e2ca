-- Takes an advisory lock with a two-part key until the end of the transaction, after waiting in the order of asking.
-- Locks: the advisory lock. Rows: one.
SELECT pg_advisory_xact_lock(%(part)s::integer, %(number)s::integer);
