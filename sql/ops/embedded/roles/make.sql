-- Makes the role of the API and the workers if it is not there, and takes away whatever more than a login it has. Its
-- password is the one whose verifier `keep_verifier` kept. Locks: the caller holds that of migrations. Rows: none.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mentiongraph') THEN
    CREATE ROLE mentiongraph;
  END IF;
  EXECUTE format(
    'ALTER ROLE mentiongraph LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD %%L',
    current_setting('mentiongraph.verifier')
  );
END
$$;
