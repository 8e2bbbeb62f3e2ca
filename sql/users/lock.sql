-- Be the only one who adds users of a stretch of ids, until the end of the transaction. A statement of its own, so that
-- the next one's snapshot is younger than the lock.
SELECT pg_advisory_xact_lock(%(users_class)s::integer, %(stretch)s::integer);
