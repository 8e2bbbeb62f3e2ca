-- Notes that the spans of uploads were sent. An upload that was replayed meanwhile is sent once more. Locks: the
-- uploads' rows. Rows: none.
UPDATE uploads AS u SET trace_due = false
FROM unnest(%(ids)s::uuid[], %(finished_at)s::timestamptz[]) AS k (id, finished_at)
WHERE u.id = k.id AND u.finished_at = k.finished_at;
