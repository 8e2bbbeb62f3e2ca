-- Tells whether an upload was sealed, and as what. The caller asks after a connection was lost at the commit. Locks:
-- none. Rows: at most one.
SELECT id, duplicate_of FROM uploads
WHERE id = %(id)s::uuid AND sealed_at IS NOT NULL;
