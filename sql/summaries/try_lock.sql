-- Be the one who makes summaries until the end of the transaction. False: somebody is at it.
SELECT pg_try_advisory_xact_lock(%(key)s::bigint) AS locked;
