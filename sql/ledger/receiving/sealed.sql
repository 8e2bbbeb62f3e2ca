-- Whether an upload was sealed, and as what: asked again after a connection was lost at the commit. At most one row.
SELECT id, duplicate_of FROM uploads
WHERE id = %(id)s::uuid AND sealed_at IS NOT NULL;
