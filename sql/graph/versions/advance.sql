-- Advances the versions of the parts that this transaction changes. The clock makes a version that no other history of
-- the database had, for a database restored from a backup counts on from where it was then. `last_mention`: the latest
-- instant at which a mention counts that this transaction merges, or NULL. Locks: the parts' rows, in their order,
-- until the end of the transaction. Rows: none.
INSERT INTO graph_versions (part, version, last_mention)
SELECT part, (date_part('epoch', clock_timestamp()) * 1e6)::bigint, %(last_mention)s::timestamptz
FROM unnest(%(parts)s::smallint[]) AS part
ORDER BY part
ON CONFLICT (part) DO UPDATE SET
  version = greatest(graph_versions.version + 1, excluded.version),
  last_mention = greatest(graph_versions.last_mention, excluded.last_mention);
