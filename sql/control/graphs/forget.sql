-- Takes a dropped graph off the list. Locks: the row. Rows: none.
DELETE FROM graphs WHERE name = %(name)s::text AND state = 'dropping';
