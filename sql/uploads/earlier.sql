-- The earliest upload that holds these bytes. Their lock is held. At most one row.
SELECT id, options FROM uploads
WHERE sha256 = %(sha256)s::bytea AND state IN ('staged', 'applying', 'applied', 'failed')
ORDER BY received_at, id
LIMIT 1;
