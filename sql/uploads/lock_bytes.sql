-- One upload of the same bytes is sealed at a time, until the end of the transaction: the key is made of their SHA-256.
SELECT pg_advisory_xact_lock(%(key)s::bigint);
