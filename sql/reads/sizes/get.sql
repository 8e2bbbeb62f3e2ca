-- How large a graph is: bytes of its database, and about how many edges, users and uploads it has. A table of up to
-- 1 MB is counted, a larger one is estimated. Locks: none. Rows: one.
SELECT
  pg_database_size(current_database()) AS size_bytes,
  CASE
    WHEN pg_relation_size('edges') < 1000000 THEN (SELECT count(*) FROM edges)
    ELSE (SELECT greatest(0, c.reltuples) FROM pg_class AS c WHERE c.oid = 'edges'::regclass)
  END::bigint AS edges,
  CASE
    WHEN pg_relation_size('users') < 1000000 THEN (SELECT count(*) FROM users)
    ELSE (SELECT greatest(0, c.reltuples) FROM pg_class AS c WHERE c.oid = 'users'::regclass)
  END::bigint AS users,
  CASE
    WHEN pg_relation_size('uploads') < 1000000 THEN (SELECT count(*) FROM uploads)
    ELSE (SELECT greatest(0, c.reltuples) FROM pg_class AS c WHERE c.oid = 'uploads'::regclass)
  END::bigint AS uploads;
