-- The members of a zip. Locks: none. Rows: one for each member, in the order of id; none for a file that is no zip.
SELECT id FROM uploads WHERE parent_id = %(id)s::uuid ORDER BY id;
