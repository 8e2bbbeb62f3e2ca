-- Adds users. Locks: the caller holds the lock of their stretch of ids, so nobody else adds them. Rows: sent, not
-- received.
COPY users (id, handle, spelling) FROM STDIN WITH (FORMAT binary);  -- noqa: PRS
