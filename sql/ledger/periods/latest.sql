-- Of each periodic actor the latest period that was begun. A row an actor, four in all.
SELECT actor, period AS start, claimed_until, finished_at FROM periods ORDER BY actor;
