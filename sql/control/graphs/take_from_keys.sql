-- Takes a dropped graph out of the keys that are good for others, too. Locks: the keys' rows. Rows: none.
UPDATE keys SET graphs = array_remove(graphs, %(name)s::text)
WHERE graphs @> ARRAY[%(name)s::text] AND cardinality(array_remove(graphs, %(name)s::text)) > 0;
