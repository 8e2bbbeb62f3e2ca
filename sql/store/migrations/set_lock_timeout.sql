-- For this transaction. A migration that waits for a lock makes everybody behind it wait: better that it fails, and is
-- run again.
SET LOCAL lock_timeout = '10s';
