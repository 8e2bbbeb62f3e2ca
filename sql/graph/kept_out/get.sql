-- Whose mentions a count leaves out: the hashes of handles that are being forgotten or stay out, the secret by which
-- handles are hashed, and the number of the latest erasure. Locks: none. Rows: one.
SELECT
  coalesce((SELECT max(id) FROM erasures), 0) AS erasures,
  (SELECT secret FROM secrets WHERE name = 'erasures') AS secret,
  array(SELECT handle_hmac FROM erasures WHERE keep_out OR finished_at IS NULL) AS hmacs;
