-- Uploads in the ledger, exactly.
SELECT count(*) AS uploads FROM uploads;
