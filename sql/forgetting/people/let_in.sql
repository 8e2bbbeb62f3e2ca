-- Lets a handle that was kept out come again. Locks: the erasure's row. Rows: one; zero where nobody keeps it out.
UPDATE erasures SET keep_out = false, handle_hmac = NULL
WHERE handle_hmac = %(hash)s::bytea AND finished_at IS NOT NULL
RETURNING id;
