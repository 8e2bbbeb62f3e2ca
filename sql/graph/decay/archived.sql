-- The number of archived edges: counted if the table has up to 1 MB, and estimated if it is larger. Locks: none. Rows:
-- one.
SELECT
  CASE
    WHEN pg_relation_size('edges_archive') < 1000000 THEN (SELECT count(*) FROM edges_archive)
    ELSE (SELECT greatest(0, c.reltuples) FROM pg_class AS c WHERE c.oid = 'edges_archive'::regclass)
  END::bigint AS archived;
