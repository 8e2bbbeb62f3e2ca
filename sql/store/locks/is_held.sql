-- Whether some session of this database holds an advisory lock. Locks: none. Rows: one.
SELECT EXISTS(
  SELECT FROM pg_locks AS l
  INNER JOIN pg_database AS d ON d.oid = l.database
  WHERE
    l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND d.datname = current_database()
    AND (l.classid::bigint << 32) | l.objid::bigint = %(key)s::bigint
) AS held;
