-- The latest period of each periodic actor, finished or not. One row an actor, four in all.
SELECT actor, period AS start, claimed_until, finished_at FROM periods ORDER BY actor;
