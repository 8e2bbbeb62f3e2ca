-- Other uploads that hold posts which some uploads count: the others count these posts, once the uploads leave the
-- graph. Locks: none. Rows: one for each of the others, with whether a payload that it needs was purged.
SELECT h.upload_id, bool_or(h.payload IS NULL) AS purged
FROM batches AS h
WHERE
  h.upload_id <> ALL(%(upload_ids)s::uuid[])
  AND h.id IN (
    SELECT r.holder_id
    FROM post_repeats AS r
    INNER JOIN batches AS o ON o.id = r.owner_id
    WHERE o.upload_id = ANY(%(upload_ids)s::uuid[]) AND o.ids_owned > 0
  )
GROUP BY h.upload_id
ORDER BY h.upload_id;
