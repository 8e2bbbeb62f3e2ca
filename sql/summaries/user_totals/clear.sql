-- Deletes all totals. The caller recounts them in the same transaction. Locks: the caller holds the summaries' lock.
-- Rows: none.
DELETE FROM user_totals;
