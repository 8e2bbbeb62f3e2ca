-- receiving -> cancelled, while the body still arrives; the receiver notices. The caller deletes the upload's batches
-- in the same transaction. Locks: the upload's row. Rows: one; zero where the upload is sealed already.
UPDATE uploads SET state = 'cancelled', finished_at = %(now)s::timestamptz
WHERE id = %(id)s::uuid AND state = 'receiving'
RETURNING id;
