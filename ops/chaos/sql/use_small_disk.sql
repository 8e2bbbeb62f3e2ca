-- The batches, payloads and all, on the disk that can be full.
ALTER TABLE batches SET TABLESPACE small_disk;
