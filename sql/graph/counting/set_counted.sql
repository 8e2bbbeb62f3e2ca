-- staged -> counted (or checked, for a dry run), with what was counted. No reject is kept yet. Locks: the batch's row.
-- Rows: one; zero where another claim superseded this one, whose holder does the work.
UPDATE batches
SET
  state = %(state)s::text, claim = NULL, claimed_until = NULL, error = NULL, counted_at = %(now)s::timestamptz,
  profile = %(profile)s::text, profile_version = %(profile_version)s::smallint,
  rows_received = %(rows_received)s::integer, rows_accepted = %(rows_accepted)s::integer,
  rows_rejected = %(rows_rejected)s::integer, mentions = %(mentions)s::bigint, edges = %(edges)s::integer,
  warnings = %(warnings)s::jsonb, rejects_kept = 0, reject_codes = NULL,
  -- Nobody replays or rebuilds a dry run, so its bytes are of no use any more.
  payload = CASE WHEN %(state)s::text = 'checked' THEN NULL ELSE payload END
WHERE id = %(batch_id)s::bigint AND state = 'staged' AND claim = %(claim)s::uuid
RETURNING id;
