-- Forgets who held posts of an upload that leaves the graph, and whose posts the upload held. Locks: the caller has the
-- lock of post ids, alone. Rows: none.
DELETE FROM post_repeats AS r
USING batches AS b
WHERE b.upload_id = %(upload_id)s::uuid AND (r.holder_id = b.id OR r.owner_id = b.id);
