-- Limits the wait for locks in this transaction. A migration that waits for a lock makes everybody behind it wait, so
-- it had better fail and be run again. Locks: none. Rows: none.
SET LOCAL lock_timeout = '10s';
