-- Locks an upload of which nothing is in the graph, and the files of a zip. A failed upload may have been retracted
-- meanwhile: then its row is missing. Locks: the rows, in the order of id, after those of their batches. Rows: one for
-- each.
SELECT u.id FROM uploads AS u
WHERE
  u.parent_id = %(id)s::uuid
  OR (
    u.id = %(id)s::uuid
    AND (u.state IN ('aborted', 'duplicate', 'checked', 'cancelled') OR (u.state = 'failed' AND u.error IS NOT NULL))
  )
ORDER BY u.id
FOR UPDATE;
