-- Adds an upload, before the first byte of its body is kept. The upload may exist: an earlier try whose answer was
-- lost. Locks: none but its own row. Rows: none.
INSERT INTO uploads (
  id, filename, options, again, received_by, received_at, heartbeat_at, traceparent, traced_from, tracestate, trace_due
)
VALUES (
  %(id)s::uuid, %(filename)s::text, %(options)s::jsonb, %(again)s::boolean, %(received_by)s::text,
  %(received_at)s::timestamptz, %(received_at)s::timestamptz,
  %(traceparent)s::text, %(traced_from)s::text, %(tracestate)s::text, %(trace_due)s::boolean
)
ON CONFLICT (id) DO NOTHING;
