-- Makes the role that owns the databases of graphs if it is not there. It may create databases and end the sessions in
-- them, and no more. Its password is the one whose verifier `keep_verifier` kept. Locks: the caller holds that of
-- migrations. Rows: none.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mentiongraph_owner') THEN
    CREATE ROLE mentiongraph_owner;
  END IF;
  EXECUTE format(
    'ALTER ROLE mentiongraph_owner LOGIN NOSUPERUSER CREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD %%L',
    current_setting('mentiongraph.verifier')
  );
  GRANT pg_signal_backend TO mentiongraph_owner;
END
$$;
