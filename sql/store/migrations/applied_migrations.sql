-- The names of the applied migrations, as yoyo keeps them. Locks: none. Rows: one for each migration.
SELECT migration_id FROM _yoyo_migration;
