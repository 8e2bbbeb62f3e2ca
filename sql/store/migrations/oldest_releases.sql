-- The oldest release that runs on the schema after each of these migrations; none for one that did not say. No locks.
SELECT migration, oldest_release FROM schema_compatibility WHERE migration = any(%(migrations)s::text[]);
