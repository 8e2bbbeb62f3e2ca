-- For the rest of the transaction: how long its statement takes depends on who reads its rows.
SELECT set_config('statement_timeout', '0', true);
