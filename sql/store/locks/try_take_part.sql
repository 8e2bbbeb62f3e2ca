-- Hold an advisory lock with a two-part key until the end of the transaction. One row; false: somebody else holds it.
SELECT pg_try_advisory_xact_lock(%(part)s::integer, %(number)s::integer) AS locked;
