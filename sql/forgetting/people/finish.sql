-- Ends an erasure. The hash stays only to keep the handle out. Locks: the erasure's row. Rows: one.
UPDATE erasures
SET finished_at = %(now)s::timestamptz, handle_hmac = CASE WHEN keep_out THEN handle_hmac END
WHERE id = %(id)s::bigint
RETURNING keep_out, mentions, mentions_purged, deltas, payloads, payloads_dropped, rejects, texts;
