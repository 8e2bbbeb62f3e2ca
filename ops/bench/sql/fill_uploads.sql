-- A ledger of many short uploads: one a minute before now, each a batch of one post that mentions nobody, so that the
-- graph is as before. In a hundred uploads three have a batch that failed, and three were cancelled.
WITH made AS (
  SELECT
    n,
    gen_random_uuid() AS id,
    now() - n * interval '1 minute' AS at,
    CASE WHEN mod(n, 100) < 3 THEN 'failed' WHEN mod(n, 100) < 6 THEN 'cancelled' ELSE 'applied' END AS state
  FROM generate_series(1, %(uploads)s::int) AS n
),

entries AS (
  INSERT INTO uploads (
    id, state, filename, options, format, received_by, received_at, heartbeat_at, sealed_at, finished_at, sha256,
    size_bytes, batch_count, purged_at, note
  )
  SELECT
    made.id, made.state, 'posts ' || made.n || '.csv', known.options, known.format, 'bench', made.at, made.at,
    made.at, made.at + interval '1 second', sha256(made.id::text::bytea), 120, 1,
    made.at, CASE WHEN mod(made.n, 50) = 0 THEN 'note ' || made.n END
  FROM made
  CROSS JOIN (SELECT options, format FROM uploads WHERE state = 'applied' ORDER BY id LIMIT 1) AS known
  RETURNING id, state, received_at
),

parts AS (
  INSERT INTO batches (
    upload_id, ordinal, state, first_line, size_bytes, rows_staged, next_attempt_at, profile, profile_version,
    rows_received, rows_accepted, rows_rejected, mentions, edges, error, staged_at, counted_at, applied_at
  )
  SELECT
    id, 0, state, 2, 100, 1, received_at, 'twitter', 1, 1, 1, 0, 0, 0,
    CASE WHEN state = 'failed' THEN '{"title": "Made to fail", "detail": "The benchmark made this batch."}'::jsonb END, received_at, received_at,
    CASE WHEN state = 'applied' THEN received_at END
  FROM entries
  RETURNING id, upload_id, state, staged_at
)

INSERT INTO ledger_events (at, upload_id, batch_id, from_state, to_state, process)
SELECT parts.staged_at, parts.upload_id, parts.id, step.before, step.after, 'bench'
FROM parts
CROSS JOIN (VALUES (NULL::text, 'staged'), ('staged', 'counted'), ('counted', 'applied')) AS step (before, after);
