-- Takes off the time limit of statements for the rest of the transaction: how long an export takes depends on who reads
-- its rows. Locks: none. Rows: one.
SELECT set_config('statement_timeout', '0', true);
