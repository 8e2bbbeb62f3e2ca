-- How an upload's body is laid out; NULL where its header was never read. No locks. At most one row.
SELECT format FROM uploads WHERE id = %(id)s::uuid;
