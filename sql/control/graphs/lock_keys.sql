-- The keys that are good for a graph, before they are changed. Locks: their rows, in the order of id, so that two who
-- change several keys never wait for each other. Rows: one a key.
SELECT id
FROM keys
WHERE graphs @> ARRAY[%(name)s::text]
ORDER BY id
FOR NO KEY UPDATE;
