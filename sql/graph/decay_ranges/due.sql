-- The next ranges that may hold a stale edge, by block. Locks: none. Rows: one for each range, `limit` at most.
SELECT first_block FROM decay_ranges
WHERE first_block > %(after)s::bigint AND oldest < %(stale_before)s::timestamptz
ORDER BY first_block
LIMIT %(limit)s::integer;
