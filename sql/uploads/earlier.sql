-- The upload that holds these bytes. No locks. At most one row.
SELECT id FROM uploads
WHERE sha256 = %(sha256)s::bytea AND NOT again AND state IN ('staged', 'applying', 'applied', 'failed')
  AND error IS NULL;
