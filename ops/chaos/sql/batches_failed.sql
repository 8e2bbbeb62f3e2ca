-- How often a batch failed for good.
SELECT count(*) AS times FROM ledger_events WHERE batch_id IS NOT NULL AND to_state = 'failed';
