-- Adds a file of a zip, before the first byte of the file is kept. The file has the owner of the zip. The row may
-- exist: an earlier try whose answer was lost. Locks: the zip's row. Rows: one; zero where the zip was aborted
-- meanwhile.
INSERT INTO uploads (
  id, filename, options, again, received_by, received_at, heartbeat_at, parent_id, key_id, owner, address,
  traceparent, traced_from, tracestate
)
SELECT
  %(id)s::uuid, %(filename)s::text, %(options)s::jsonb, p.again, p.received_by, p.received_at,
  %(now)s::timestamptz, p.id, p.key_id, p.owner, p.address,
  p.traceparent, p.traced_from, p.tracestate
FROM uploads AS p
WHERE p.id = %(parent_id)s::uuid AND p.state = 'receiving'
FOR SHARE OF p
ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at
RETURNING id;
