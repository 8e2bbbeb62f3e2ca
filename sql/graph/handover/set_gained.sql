-- Adds what batches count since they took over posts. Locks: the caller has locked the batches' rows. Rows: none.
UPDATE batches AS b
SET
  rows_repeated = b.rows_repeated - g.posts, ids_owned = b.ids_owned + g.posts, mentions = b.mentions + g.mentions,
  edges = b.edges + g.edges
FROM unnest(
  %(batch_ids)s::bigint[], %(posts)s::integer[], %(mentions)s::bigint[], %(edges)s::integer[]
) AS g (batch_id, posts, mentions, edges)
WHERE b.id = g.batch_id;
