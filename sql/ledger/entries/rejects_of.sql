-- How many rows of an upload were rejected so far, and how many of these rejects are kept. A zip has none of its own.
-- Locks: none. Rows: at most one.
SELECT
  coalesce(sum(b.rows_rejected), 0)::bigint AS rejected,
  CASE
    WHEN u.rejects_purged_at IS NULL THEN coalesce(sum(coalesce(b.rejects_kept, b.rows_rejected)), 0)
    ELSE 0
  END::bigint AS kept,
  u.rejects_purged_at IS NOT NULL AS purged
FROM uploads AS u LEFT JOIN batches AS b ON b.upload_id = u.id
WHERE u.id = %(id)s::uuid
GROUP BY u.id;
