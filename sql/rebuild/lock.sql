-- One rebuild at a time, until the end of the session.
SELECT pg_try_advisory_lock(%(key)s::bigint) AS locked;
