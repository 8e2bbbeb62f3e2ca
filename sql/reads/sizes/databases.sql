-- How many bytes databases of this server have, as far as the role may know. Locks: none. Rows: at most one a name.
SELECT
  datname::text AS name,
  pg_database_size(oid)::bigint AS size_bytes
FROM pg_database
WHERE datname = ANY(%(names)s::text[]) AND has_database_privilege(oid, 'CONNECT');
