-- Waits for whoever migrates at this moment; held until the end of the transaction.
SELECT pg_advisory_xact_lock(%(key)s::bigint);
