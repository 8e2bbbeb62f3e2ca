-- Wait for whoever makes summaries at this moment. Until the end of the transaction; a statement of its own, so that
-- the next one's snapshot is younger.
SELECT pg_advisory_xact_lock(%(key)s::bigint);
