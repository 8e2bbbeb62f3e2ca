-- Takes a graph off the list that could not be created. Locks: the row. Rows: none.
DELETE FROM graphs WHERE name = %(name)s::text AND state = 'creating';
