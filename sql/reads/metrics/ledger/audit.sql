-- The latest audit that ended with a result. Locks: none. Rows: one, or none. Newest first, so a few rows are read.
SELECT
  finished_at,
  abs((result ->> 'difference')::double precision) AS difference,
  abs((result ->> 'summary_difference')::double precision) AS summary_difference,
  (result ->> 'exact')::boolean AS exact
FROM audits
WHERE result IS NOT NULL
ORDER BY id DESC
LIMIT 1;
