-- Bytes of CSV that wait to be counted. No locks. One row.
SELECT coalesce(sum(size_bytes), 0)::bigint AS bytes FROM batches WHERE state = 'staged';
