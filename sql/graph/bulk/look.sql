-- The uploads that a filter matches, or those of some that are there: how many they are, and for each action how many
-- of them it fits. A member of a zip goes with the zip, if the action fits the zip, too. Also the newest uploads that
-- one action fits. With `before_id`, all of this is about the uploads before that one in the list. An action fits if
-- the state allows it and nothing was purged; see graph/withdrawal/withdraw_upload and ledger/transitions/replay. The
-- filter is that of ledger/entries/page. Locks: none. Rows: one.
WITH replayable AS (
  SELECT b.upload_id AS id
  FROM batches AS b
  WHERE b.state = 'failed' AND b.payload IS NOT NULL
  UNION
  SELECT m.parent_id AS id
  FROM batches AS b
  INNER JOIN uploads AS m ON m.id = b.upload_id
  WHERE b.state = 'failed' AND b.payload IS NOT NULL AND m.parent_id IS NOT NULL
),

matching AS MATERIALIZED (
  SELECT
    u.id, u.parent_id, u.received_at,
    u.state IN ('receiving', 'staged', 'applying', 'checking') AS cancel,
    u.state IN ('applied', 'failed') AND u.purged_at IS NULL AS retract,
    u.id IN (SELECT r.id FROM replayable AS r) AS replay
  FROM uploads AS u
  WHERE
    (%(only_of)s::text IS NULL OR u.owner = %(only_of)s::text)
    AND (%(ids)s::uuid[] IS NULL OR u.id = ANY(%(ids)s::uuid[]))
    AND (%(owner)s::text IS NULL OR u.owner = %(owner)s::text)
    AND (%(states)s::text[] IS NULL OR u.state = ANY(%(states)s::text[]))
    AND (%(since)s::timestamptz IS NULL OR u.received_at >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR u.received_at < %(until)s::timestamptz)
    AND (
      %(text)s::text IS NULL
      OR strpos(lower(u.filename), lower(%(text)s::text)) > 0
      OR strpos(lower(u.note), lower(%(text)s::text)) > 0
      OR starts_with(u.id::text, %(id_begins)s::text)
    )
),

-- Each family is a zip with its members, or a file by itself. A window needs one sort, whatever the planner expects.
families AS MATERIALIZED (
  SELECT
    m.id, m.received_at, m.cancel, m.retract, m.replay,
    m.parent_id IS NOT NULL AND m.cancel AND bool_or(m.parent_id IS NULL AND m.cancel) OVER family
      AS cancel_with_zip,
    m.parent_id IS NOT NULL AND m.retract AND bool_or(m.parent_id IS NULL AND m.retract) OVER family
      AS retract_with_zip,
    m.parent_id IS NOT NULL AND m.replay AND bool_or(m.parent_id IS NULL AND m.replay) OVER family
      AS replay_with_zip
  FROM matching AS m
  WINDOW family AS (PARTITION BY coalesce(m.parent_id, m.id))
),

looked_at AS MATERIALIZED (
  SELECT f.*
  FROM families AS f
  WHERE
    %(before_id)s::uuid IS NULL
    OR (f.received_at, f.id) < (SELECT p.received_at, p.id FROM uploads AS p WHERE p.id = %(before_id)s::uuid)
)

SELECT
  count(*) AS matching,
  count(*) FILTER (WHERE l.cancel AND NOT l.cancel_with_zip) AS cancel,
  count(*) FILTER (WHERE l.cancel_with_zip) AS cancel_with_zip,
  count(*) FILTER (WHERE l.retract AND NOT l.retract_with_zip) AS retract,
  count(*) FILTER (WHERE l.retract_with_zip) AS retract_with_zip,
  count(*) FILTER (WHERE l.replay AND NOT l.replay_with_zip) AS replay,
  count(*) FILTER (WHERE l.replay_with_zip) AS replay_with_zip,
  (
    SELECT coalesce(array_agg(n.id ORDER BY n.received_at DESC, n.id DESC), '{}')
    FROM (
      SELECT f.id, f.received_at FROM looked_at AS f
      WHERE
        (%(action)s::text = 'cancel' AND f.cancel AND NOT f.cancel_with_zip)
        OR (%(action)s::text = 'retract' AND f.retract AND NOT f.retract_with_zip)
        OR (%(action)s::text = 'replay' AND f.replay AND NOT f.replay_with_zip)
      ORDER BY f.received_at DESC, f.id DESC
      LIMIT %(limit)s::integer
    ) AS n
  ) AS ids
FROM looked_at AS l;
