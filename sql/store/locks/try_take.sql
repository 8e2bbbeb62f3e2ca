-- Hold an advisory lock until the end of the transaction. Answers one row; false: somebody else holds it.
SELECT pg_try_advisory_xact_lock(%(key)s::bigint) AS locked;
