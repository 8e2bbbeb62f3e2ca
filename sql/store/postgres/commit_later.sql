-- The transaction's commit does not wait for the disk: any later one that does makes this one durable, too, and what
-- needs it comes later.
SELECT set_config('synchronous_commit', 'off', true);
