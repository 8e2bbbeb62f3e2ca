-- Levels of the B-trees above their leaves. One row.
SELECT
  (SELECT level FROM bt_metap('edges_pkey'))::integer AS primary_key,
  (SELECT level FROM bt_metap('edges_target'))::integer AS by_target;
