-- The bytes of CSV that wait to be counted. Locks: none. Rows: one.
SELECT coalesce(sum(size_bytes), 0)::bigint AS bytes FROM batches WHERE state = 'staged';
