-- Notes a merge or a making of summaries, in its transaction. Two of a shard that began in one microsecond are noted as
-- one. Locks: the row. Rows: none.
INSERT INTO passes (began_at, kind, shard, seconds, process, batch_ids)
VALUES (
  %(began_at)s::timestamptz, %(kind)s::text, %(shard)s::smallint, %(seconds)s::double precision,
  current_setting('application_name'), %(batch_ids)s::bigint[]
)
ON CONFLICT (began_at, kind, shard) DO UPDATE
SET seconds = passes.seconds + excluded.seconds, batch_ids = passes.batch_ids || excluded.batch_ids;
