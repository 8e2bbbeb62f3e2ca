-- What became of each upload. Seconds from the seal to the end.
SELECT
  u.id::text, u.filename, u.state, u.error ->> 'detail' AS error,
  extract(epoch FROM u.finished_at - u.sealed_at)::double precision AS seconds,
  coalesce(sum(b.rows_received), 0)::bigint AS received,
  coalesce(sum(b.rows_accepted) FILTER (WHERE b.state = 'applied'), 0)::bigint AS applied,
  coalesce(sum(b.rows_rejected), 0)::bigint AS rejected,
  coalesce(sum(b.mentions) FILTER (WHERE b.state = 'applied'), 0)::bigint AS mentions,
  count(b.id) FILTER (WHERE b.state NOT IN ('applied', 'cancelled', 'retracted')) AS batches_left
FROM uploads AS u LEFT JOIN batches AS b ON b.upload_id = u.id
GROUP BY u.id
ORDER BY u.id;
