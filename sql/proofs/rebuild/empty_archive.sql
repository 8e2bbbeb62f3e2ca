-- The archive is emptied: its edges are in the shadow, too. Every shard is locked.
DELETE FROM edges_archive;
