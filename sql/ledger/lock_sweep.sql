-- One sweep at a time, until the end of the transaction.
SELECT pg_try_advisory_xact_lock(%(key)s::bigint) AS locked;
