-- The latest period of each periodic actor, finished or not. Locks: none. Rows: one for each actor, four in all.
SELECT actor, period AS start, claimed_until, finished_at FROM periods ORDER BY actor;
