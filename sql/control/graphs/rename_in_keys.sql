-- Keys stay good for a graph that gets another name, and for no later graph of the old name. Locks: the keys' rows.
-- Rows: none.
UPDATE keys SET graphs = array_replace(graphs, %(name)s::text, %(new)s::text)
WHERE graphs @> ARRAY[%(name)s::text];
