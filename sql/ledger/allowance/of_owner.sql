-- Bytes of the sealed uploads that an owner sent since an instant. The files of a zip count with the zip. Locks: none.
-- Rows: one.
SELECT coalesce(sum(size_bytes), 0)::bigint AS bytes
FROM uploads
WHERE owner = %(owner)s::text AND received_at >= %(since)s::timestamptz AND parent_id IS NULL;
