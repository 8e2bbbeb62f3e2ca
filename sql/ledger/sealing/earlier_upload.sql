-- The earliest upload that holds these bytes and applies them. Locks: the caller holds the lock of these bytes. Rows:
-- at most one.
SELECT id, state, options, purged_at IS NOT NULL AS stays, owner FROM uploads
WHERE
  members IS NULL
  AND sha256 = %(sha256)s::bytea AND state IN ('staged', 'applying', 'applied', 'failed') AND error IS NULL
  AND (options ->> 'dry_run')::boolean IS NOT TRUE
ORDER BY received_at, id
LIMIT 1;
