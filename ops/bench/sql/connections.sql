-- Connections that the service's processes have to all databases of the server, and how many of them are in use. One
-- row. Whoever is no superuser sees which are in use of the own role's.
SELECT count(*) AS open, count(*) FILTER (WHERE state <> 'idle') AS in_use
FROM pg_stat_activity
WHERE application_name LIKE 'mentiongraph %' AND application_name NOT LIKE 'mentiongraph bench%';
