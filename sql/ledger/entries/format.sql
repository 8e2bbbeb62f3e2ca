-- How an upload's body is laid out; NULL where its header was never read. Locks: none. Rows: at most one.
SELECT format FROM uploads WHERE id = %(id)s::uuid;
