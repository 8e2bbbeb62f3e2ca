-- Names of the applied migrations, as yoyo keeps them. No locks.
SELECT migration_id FROM _yoyo_migration;
