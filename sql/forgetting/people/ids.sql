-- The ids of a handle: one, or none. Locks: none. Rows: one for each id.
SELECT id FROM users WHERE handle COLLATE "C" = %(handle)s::text ORDER BY id;
