-- Hold an advisory lock with a two-part key until the end of the transaction; waits in the order of asking. One row.
SELECT pg_advisory_xact_lock(%(part)s::integer, %(number)s::integer);
