-- One rebuild at a time, until the end of the transaction: which goes with its process, and works behind PgBouncer.
SELECT pg_try_advisory_xact_lock(%(key)s::bigint) AS locked;
