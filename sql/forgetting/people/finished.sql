-- What an erasure took, if it is finished. Locks: none. Rows: at most one.
SELECT keep_out, mentions, mentions_purged, deltas, payloads, payloads_dropped, rejects, texts
FROM erasures
WHERE id = %(id)s::bigint AND finished_at IS NOT NULL;
