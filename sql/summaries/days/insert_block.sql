-- Adds a block of a run; the block begins with a key. Locks: the caller holds the summaries' lock. Rows: none.
INSERT INTO day_blocks (part, run, source_id, target_id, payload)
VALUES (
  %(part)s::smallint, %(run)s::bigint, %(source_id)s::bigint, %(target_id)s::bigint, %(payload)s::bytea
);
