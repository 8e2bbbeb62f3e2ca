-- The shard's edges, until the end of the transaction: merge and decay exclude each other, and take turns in the order
-- of asking. A statement of its own, so that the next one's snapshot is younger than the lock.
SELECT pg_advisory_xact_lock(%(key)s::bigint);
