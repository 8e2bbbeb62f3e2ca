-- What autovacuum would do in a while.
ANALYZE uploads, batches, ledger_events;
