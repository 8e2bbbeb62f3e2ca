-- The latest batch, and the number of batches with a payload. Locks: none. Rows: one.
SELECT coalesce(max(id), 0) AS last, count(*) FILTER (WHERE payload IS NOT NULL) AS payloads FROM batches;
