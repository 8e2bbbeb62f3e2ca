-- Whether anybody has a key that works now. Locks: none. Rows: one.
SELECT EXISTS(
  SELECT FROM keys
  WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %(now)s::timestamptz)
) AS usable;
