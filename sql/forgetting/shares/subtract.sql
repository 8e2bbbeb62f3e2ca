-- Takes out of batches' numbers what was taken out of their deltas. Locks: the caller has locked the batches' rows.
-- Rows: none.
UPDATE batches AS b SET mentions = b.mentions - k.mentions, edges = b.edges - k.edges
FROM (
  SELECT batch_id, sum(mentions) AS mentions, sum(edges)::integer AS edges
  FROM unnest(%(batch_ids)s::bigint[], %(mentions)s::bigint[], %(edges)s::integer[]) AS g (batch_id, mentions, edges)
  GROUP BY batch_id
) AS k
WHERE b.id = k.batch_id;
