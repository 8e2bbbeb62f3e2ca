-- Says how far an erasure is. Locks: the erasure's row. Rows: none.
UPDATE erasures
SET
  step = %(step)s::text, step_done = %(done)s::integer, step_total = %(total)s::integer,
  moved_at = %(now)s::timestamptz
WHERE id = %(id)s::bigint;
