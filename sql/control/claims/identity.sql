-- Which database this is, of all databases of all servers: a copy of it is another one. Locks: none. Rows: one.
SELECT format('%%s/%%s/', s.system_identifier, d.oid) AS identity
FROM pg_control_system() AS s
CROSS JOIN pg_database AS d
WHERE d.datname = current_database();
