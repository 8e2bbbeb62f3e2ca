-- How many connections there may be, and how many there are. Locks: none. Rows: one.
SELECT
  current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS most,
  (SELECT count(*)::integer FROM pg_stat_activity WHERE backend_type = 'client backend') AS taken;
