-- A range was looked at, and what was stale in it is done.
UPDATE decay_ranges SET oldest = %(oldest)s::timestamptz WHERE first_block = %(first_block)s::bigint;
