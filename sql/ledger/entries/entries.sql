-- The ledger's entries of some uploads, the newest first. `rows_received` is NULL until the upload is sealed, and where
-- a batch of an earlier release was not counted yet. `rows_accepted`, `rows_rejected` and `mentions` are NULL until
-- every batch is counted. So is `rows_repeated`, which stays NULL where the posts of an upload have no ids. A zip has
-- the sums of its members, and the members themselves if they are asked for. `rejects_by_code` is NULL where an earlier
-- release counted a batch with rejects. With an `owner`, the uploads of other owners are not there, nor is an earlier
-- upload of theirs that holds the same bytes. Locks: none. Rows: one for each upload.
SELECT
  u.id, u.state, u.filename, u.options, u.again, u.received_by, u.received_at, u.sealed_at, u.finished_at,
  encode(u.sha256, 'hex') AS sha256,
  CASE WHEN
    %(owner)s::text IS NULL
    OR EXISTS (SELECT FROM uploads AS d WHERE d.id = u.duplicate_of AND d.owner = %(owner)s::text)
    THEN u.duplicate_of END AS duplicate_of,
  u.parent_id, u.members AS member_count, u.error,
  u.note, u.purged_at, u.rejects_purged_at, u.key_id, u.owner, u.address,
  coalesce(u.size_bytes, b.bytes_staged) AS size_bytes,
  b.bytes_staged, b.bytes_counted, b.bytes_applied,
  b.batches_staged, b.batches_counted, b.batches_applied, b.batches_failed, b.batches_checked, b.batches_cancelled,
  b.batches_retracting, b.batches_retracted,
  b.rows_received, b.rows_accepted, b.rows_rejected, b.rows_repeated, b.rows_applied, b.mentions, b.mentions_applied,
  b.rows_counted, b.rejects_counted, b.mentions_counted,
  (
    SELECT jsonb_object_agg(s.code, s.found) FROM (
      SELECT
        w.key AS code,
        jsonb_build_object(
          'count', sum((w.value ->> 'count')::bigint), 'first', (array_agg(w.value ORDER BY n.ordinal))[1]
        ) AS found
      FROM batches AS n CROSS JOIN LATERAL jsonb_each(n.warnings) AS w
      WHERE n.upload_id = ANY(h.upload_ids) AND n.warnings IS NOT NULL
      GROUP BY w.key
    ) AS s
  ) AS noticed,
  CASE WHEN u.rejects_purged_at IS NULL THEN b.rejects_kept ELSE 0 END AS rejects_kept,
  CASE WHEN b.codes_known THEN (
    SELECT coalesce(jsonb_object_agg(s.code, s.found), '{}') FROM (
      SELECT c.key AS code, sum(c.value::bigint) AS found
      FROM batches AS n CROSS JOIN LATERAL jsonb_each_text(n.reject_codes) AS c
      WHERE n.upload_id = ANY(h.upload_ids) AND n.reject_codes IS NOT NULL
      GROUP BY c.key
    ) AS s
  ) END AS rejects_by_code,
  CASE WHEN %(with_members)s::boolean AND u.members IS NOT NULL THEN (
    SELECT jsonb_agg(
      jsonb_build_object(
        'id', m.id, 'state', m.state, 'filename', m.filename,
        'duplicate_of', CASE WHEN
          %(owner)s::text IS NULL
          OR EXISTS (SELECT FROM uploads AS d WHERE d.id = m.duplicate_of AND d.owner = %(owner)s::text)
          THEN m.duplicate_of END,
        'error', m.error,
        'size_bytes', m.size_bytes, 'rows_received', c.rows_received, 'rows_rejected', c.rows_rejected,
        'mentions', c.mentions
      )
      ORDER BY m.id
    )
    FROM uploads AS m
    CROSS JOIN LATERAL (
      SELECT
        sum(coalesce(rows_received, rows_staged))::bigint AS rows_received,
        CASE WHEN bool_and(counted_at IS NOT NULL) THEN sum(rows_rejected) END::bigint AS rows_rejected,
        CASE WHEN bool_and(counted_at IS NOT NULL) THEN sum(mentions) END::bigint AS mentions
      FROM batches WHERE batches.upload_id = m.id
    ) AS c
    WHERE m.parent_id = u.id AND m.state <> 'aborted'
  ) END AS members
FROM uploads AS u
CROSS JOIN LATERAL (
  SELECT
    CASE
      WHEN u.members IS NULL THEN ARRAY[u.id]
      ELSE ARRAY(SELECT m.id FROM uploads AS m WHERE m.parent_id = u.id ORDER BY m.id)
    END AS upload_ids
) AS h
CROSS JOIN LATERAL (
  SELECT
    coalesce(sum(size_bytes), 0)::bigint AS bytes_staged,
    coalesce(sum(size_bytes) FILTER (WHERE counted_at IS NOT NULL AND state <> 'cancelled'), 0)::bigint
      AS bytes_counted,
    coalesce(sum(size_bytes) FILTER (WHERE state IN ('applied', 'retracted')), 0)::bigint AS bytes_applied,
    count(*) FILTER (WHERE state = 'staged') AS batches_staged,
    count(*) FILTER (WHERE state = 'counted') AS batches_counted,
    count(*) FILTER (WHERE state = 'applied') AS batches_applied,
    count(*) FILTER (WHERE state = 'failed') AS batches_failed,
    count(*) FILTER (WHERE state = 'checked') AS batches_checked,
    count(*) FILTER (WHERE state = 'cancelled') AS batches_cancelled,
    count(*) FILTER (WHERE state = 'retracting') AS batches_retracting,
    count(*) FILTER (WHERE state = 'retracted') AS batches_retracted,
    CASE WHEN u.sealed_at IS NOT NULL AND bool_and(coalesce(rows_received, rows_staged) IS NOT NULL)
      THEN sum(coalesce(rows_received, rows_staged)) END::bigint AS rows_received,
    CASE WHEN u.sealed_at IS NOT NULL AND bool_and(rows_accepted IS NOT NULL)
      THEN sum(rows_accepted) END::bigint AS rows_accepted,
    CASE WHEN u.sealed_at IS NOT NULL AND bool_and(rows_rejected IS NOT NULL)
      THEN sum(rows_rejected) END::bigint AS rows_rejected,
    CASE WHEN u.sealed_at IS NOT NULL AND bool_and(rows_accepted IS NOT NULL)
      THEN sum(rows_repeated) END::bigint AS rows_repeated,
    CASE WHEN u.sealed_at IS NOT NULL AND bool_and(mentions IS NOT NULL) THEN sum(mentions) END::bigint AS mentions,
    coalesce(sum(rows_received), 0)::bigint AS rows_counted,
    coalesce(sum(rows_rejected), 0)::bigint AS rejects_counted,
    coalesce(sum(coalesce(rejects_kept, rows_rejected)), 0)::bigint AS rejects_kept,
    bool_or(rows_rejected > 0 AND reject_codes IS NULL) IS NOT TRUE AS codes_known,
    coalesce(sum(mentions), 0)::bigint AS mentions_counted,
    coalesce(sum(rows_accepted) FILTER (WHERE state = 'applied'), 0)::bigint AS rows_applied,
    coalesce(sum(mentions) FILTER (WHERE state = 'applied'), 0)::bigint AS mentions_applied
  FROM batches WHERE batches.upload_id = ANY(h.upload_ids)
) AS b
WHERE
  u.id = ANY(%(ids)s::uuid[])
  AND (%(owner)s::text IS NULL OR u.owner = %(owner)s::text)
ORDER BY u.received_at DESC, u.id DESC;
