-- The oldest release that runs on the schema after each of these migrations; none for one that did not say. Locks:
-- none. Rows: at most one for each migration.
SELECT migration, oldest_release FROM schema_compatibility WHERE migration = any(%(migrations)s::text[]);
