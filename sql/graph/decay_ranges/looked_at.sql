-- Marks a range as looked at: what was stale in it is done. Locks: the range's row. Rows: none.
UPDATE decay_ranges SET oldest = %(oldest)s::timestamptz WHERE first_block = %(first_block)s::bigint;
