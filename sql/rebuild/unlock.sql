-- The rebuild is over. One row.
SELECT pg_advisory_unlock(%(key)s::bigint) AS unlocked;
