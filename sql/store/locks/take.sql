-- Hold an advisory lock until the end of the transaction; waits in the order of asking. Answers one row.
SELECT pg_advisory_xact_lock(%(key)s::bigint);
