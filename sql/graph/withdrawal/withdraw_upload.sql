-- An upload begins to leave the graph: cancelling where it was not applied yet, retracting where it was. Locks: the
-- caller has locked the upload's row. Rows: one; zero where the upload's state does not allow it.
UPDATE uploads
SET state = %(state)s::text, finished_at = NULL
WHERE
  id = %(id)s::uuid
  AND (
    (%(state)s::text = 'cancelling' AND state IN ('staged', 'applying', 'checking'))
    OR (%(state)s::text = 'retracting' AND state IN ('applied', 'failed'))
  )
RETURNING id;
