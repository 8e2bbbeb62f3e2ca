-- Everything goes, to be recounted in the same transaction. The summaries' lock is held.
DELETE FROM user_totals;
