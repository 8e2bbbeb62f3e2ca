-- Empties the archive, whose edges are in the shadow, too. Locks: the caller holds every shard's lock. Rows: none.
DELETE FROM edges_archive;
