-- Keeps the role from what says which schema the database has: only `migrate` writes there. Locks: none. Rows: none.
REVOKE INSERT, UPDATE, DELETE
ON schema_compatibility, _yoyo_migration, _yoyo_log, _yoyo_version FROM mentiongraph;
