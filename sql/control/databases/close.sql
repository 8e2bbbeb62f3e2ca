-- Lets the role that `keep_role` kept use this database, and nobody else but its owner. The role changes rows, but not
-- what says which schema the database has, and not the audit's events. Locks: the caller holds that of migrations.
-- Rows: none.
DO $$
DECLARE
  role text := current_setting('mentiongraph.role');
BEGIN
  EXECUTE format('REVOKE ALL ON DATABASE %%I FROM PUBLIC', current_database());
  IF role = current_user THEN
    RETURN;
  END IF;
  EXECUTE format('GRANT CONNECT ON DATABASE %%I TO %%I', current_database(), role);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %%I', role);
  EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO %%I', role);
  EXECUTE format('GRANT TRUNCATE ON edges_shadow TO %%I', role);
  IF current_setting('server_version_num')::int >= 170000 THEN
    -- VACUUM, so that nothing of a forgotten person stays in free room.
    EXECUTE format('GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO %%I', role);
  END IF;
  EXECUTE format(
    'REVOKE INSERT, UPDATE, DELETE ON schema_compatibility, _yoyo_migration, _yoyo_log, _yoyo_version FROM %%I', role
  );
  EXECUTE format('REVOKE UPDATE, DELETE ON audit_events FROM %%I', role);
END
$$;
