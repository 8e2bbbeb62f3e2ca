-- They go, to be listed anew in the same transaction. The summaries' lock is held.
DELETE FROM trending_users;
