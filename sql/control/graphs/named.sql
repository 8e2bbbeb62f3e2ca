-- Those of the named graphs that are listed and not being dropped. Locks: their rows until the transaction ends, so
-- that no graph is renamed or dropped meanwhile. Rows: at most one a name.
SELECT name
FROM graphs
WHERE name = ANY(%(names)s::text[]) AND state <> 'dropping'
ORDER BY name
FOR SHARE;
