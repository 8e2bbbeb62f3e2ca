-- Be the one who works on this run until the end of the transaction, or false: somebody is at it. The commit need not
-- wait for the disk: what a crash takes back changed no effective weight, and is done again.
SELECT
  pg_try_advisory_xact_lock(%(decay_class)s::integer, %(run)s::integer) AS locked,
  set_config('synchronous_commit', 'off', true) AS synchronous_commit;
