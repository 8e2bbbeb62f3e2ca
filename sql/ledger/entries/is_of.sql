-- Whether an upload is of this owner. Locks: none. Rows: one; zero where it is not.
SELECT id FROM uploads WHERE id = %(id)s::uuid AND owner = %(owner)s::text;
