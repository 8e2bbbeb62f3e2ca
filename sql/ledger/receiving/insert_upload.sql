-- A new upload, before the first byte of its body is kept. It may be there: an earlier try whose answer was lost.
INSERT INTO uploads (id, filename, options, again, received_by, received_at, heartbeat_at)
VALUES (
  %(id)s::uuid, %(filename)s::text, %(options)s::jsonb, %(again)s::boolean, %(received_by)s::text,
  %(received_at)s::timestamptz, %(received_at)s::timestamptz
)
ON CONFLICT (id) DO NOTHING;
