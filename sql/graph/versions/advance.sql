-- The parts are changed by this transaction: one row each, locked in their order until its end. The clock makes a
-- version that no other history of the database had, for one restored from a backup counts on from where it was then.
INSERT INTO graph_versions (part, version)
SELECT part, (date_part('epoch', clock_timestamp()) * 1e6)::bigint
FROM unnest(%(parts)s::smallint[]) AS part
ORDER BY part
ON CONFLICT (part) DO UPDATE SET version = greatest(graph_versions.version + 1, excluded.version);
