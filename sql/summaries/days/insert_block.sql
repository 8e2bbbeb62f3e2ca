-- A block of a run, which begins with a key.
INSERT INTO day_blocks (part, run, source_id, target_id, payload)
VALUES (
  %(part)s::smallint, %(run)s::bigint, %(source_id)s::bigint, %(target_id)s::bigint, %(payload)s::bytea
);
