-- The transaction's commit does not wait for the disk. Any later commit that does wait makes this one durable, too, and
-- what needs this one comes later. Locks: none. Rows: one.
SELECT set_config('synchronous_commit', 'off', true);
