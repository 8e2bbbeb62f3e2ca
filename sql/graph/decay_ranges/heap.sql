-- Tells whether the file of edges is still the file of the last run. Locks: the row of decay_heap, so that nobody
-- changes it meanwhile. Rows: at most one.
SELECT
  h.filenode = pg_relation_filenode('edges') AS same,
  h.range_blocks, h.looked_at, (SELECT min(u.received_at) FROM uploads AS u) AS first_upload
FROM decay_heap AS h
FOR UPDATE OF h;
