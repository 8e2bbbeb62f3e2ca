-- Whether the file of edges is still the one of the last run. The row is locked, so that nobody says otherwise
-- meanwhile. At most one row.
SELECT
  h.filenode = pg_relation_filenode('edges') AS same,
  h.range_blocks, h.looked_at, (SELECT min(u.received_at) FROM uploads AS u) AS first_upload
FROM decay_heap AS h
FOR UPDATE OF h;
