-- The state of an upload.
SELECT state, error FROM uploads WHERE id = %(id)s::uuid;
