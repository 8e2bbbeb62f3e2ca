-- Be the one merge of this shard until the end of the transaction. False: somebody is at it, and will see what is new.
SELECT pg_try_advisory_xact_lock(%(merge_class)s::integer, %(shard)s::integer) AS locked;
