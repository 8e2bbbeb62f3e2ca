-- The earliest upload of the same zip that still stands as a whole. Locks: none. Rows: at most one.
SELECT p.id, p.state, p.options, p.purged_at IS NOT NULL AS stays, p.owner FROM uploads AS p
WHERE
  p.sha256 = %(sha256)s::bytea AND p.members IS NOT NULL AND p.state IN ('staged', 'applying', 'applied', 'failed')
  AND (p.options ->> 'dry_run')::boolean IS NOT TRUE
  AND NOT EXISTS (
    SELECT FROM uploads AS m
    WHERE m.parent_id = p.id AND m.state IN ('cancelling', 'cancelled', 'retracting', 'retracted')
  )
ORDER BY p.received_at, p.id
LIMIT 1;
