-- Empties the shadow. Locks: ACCESS EXCLUSIVE on the shadow, which one rebuild at a time uses and nobody else. Rows:
-- none.
TRUNCATE edges_shadow;
