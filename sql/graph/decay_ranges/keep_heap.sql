-- Writes down which file of edges the ranges are about from now on. Locks: the row of decay_heap. Rows: none.
INSERT INTO decay_heap (filenode, range_blocks, looked_at)
VALUES (pg_relation_filenode('edges'), %(range_blocks)s::integer, %(looked_at)s::timestamptz)
ON CONFLICT (singleton) DO UPDATE SET
  filenode = excluded.filenode, range_blocks = excluded.range_blocks, looked_at = excluded.looked_at;
