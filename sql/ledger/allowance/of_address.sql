-- Bytes of the sealed uploads that came from an address without a key since an instant. The files of a zip count with
-- the zip. Locks: none. Rows: one.
SELECT coalesce(sum(size_bytes), 0)::bigint AS bytes
FROM uploads
WHERE
  owner IS NULL AND address = %(address)s::text AND received_at >= %(since)s::timestamptz AND parent_id IS NULL;
