-- Begins to forget a person, or goes on where the last attempt was killed. Locks: the caller holds the locks of all
-- stretches of users, so nobody adds users meanwhile. Rows: one.
INSERT INTO erasures (handle_hmac, keep_out, began_at)
VALUES (%(hash)s::bytea, %(keep_out)s::boolean, %(now)s::timestamptz)
ON CONFLICT (handle_hmac) DO UPDATE
  SET finished_at = NULL, keep_out = erasures.keep_out OR excluded.keep_out
RETURNING id;
