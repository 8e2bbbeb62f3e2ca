-- Whether `close` was done since the last migration: the role may read every table. Locks: none. Rows: one.
SELECT NOT EXISTS (
  SELECT FROM pg_class AS c
  WHERE
    c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    AND NOT has_table_privilege(%(role)s::text, c.oid, 'SELECT')
) AS is_closed;
