-- Be the one who works on this run until the end of the transaction, or false: somebody is at it.
SELECT pg_try_advisory_xact_lock(%(decay_class)s::integer, %(run)s::integer) AS locked;
