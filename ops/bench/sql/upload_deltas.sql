-- What an upload's batches add to the graph.
SELECT d.payload FROM deltas AS d
INNER JOIN batches AS b ON b.id = d.batch_id
WHERE b.upload_id = %(id)s::uuid;
