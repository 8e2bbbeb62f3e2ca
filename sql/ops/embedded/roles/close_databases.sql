-- Lets the role into this database and into no other, and lets nobody but superusers make temporary tables. Locks:
-- none. Rows: none.
DO $$
BEGIN
  REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
  EXECUTE format('REVOKE TEMPORARY ON DATABASE %%I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %%I TO mentiongraph', current_database());
END
$$;
