-- Lets this session tell the server at once what it inserted (see ledger/sweeping/inserted). Locks: none. Rows: one.
SELECT pg_stat_force_next_flush();
