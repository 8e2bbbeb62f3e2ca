-- receiving -> cancelled, while its body still arrives; its receiver notices. Its batches are deleted in the same
-- transaction. Zero rows: it is sealed already.
UPDATE uploads SET state = 'cancelled', finished_at = %(now)s::timestamptz
WHERE id = %(id)s::uuid AND state = 'receiving'
RETURNING id;
