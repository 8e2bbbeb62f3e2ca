-- Its body is still arriving; the format is known once the header was read. Zero rows: it was given up meanwhile.
UPDATE uploads
SET heartbeat_at = %(now)s::timestamptz, format = coalesce(%(format)s::jsonb, format)
WHERE id = %(id)s::uuid AND state = 'receiving'
RETURNING id;
