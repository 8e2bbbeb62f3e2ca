-- The last key of the next page of a shard's edges; zero rows: the page reaches to the shard's end. No row locks.
SELECT source_id, target_id FROM edges
WHERE
  (source_id, target_id) > (%(source_id)s::bigint, %(target_id)s::bigint)
  AND source_id <= %(highest_id)s::bigint
ORDER BY source_id, target_id
LIMIT 1 OFFSET %(page)s::integer - 1;
