-- Notes that the spans of passes were sent. Locks: the passes' rows. Rows: none.
UPDATE passes AS p SET traced = true
FROM unnest(%(began_at)s::timestamptz[], %(kinds)s::text[], %(shards)s::smallint[]) AS k (began_at, kind, shard)
WHERE p.began_at = k.began_at AND p.kind = k.kind AND p.shard = k.shard;
