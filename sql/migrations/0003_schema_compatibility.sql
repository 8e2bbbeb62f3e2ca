-- Say which releases a schema works for, so that a process can tell whether it may run on a schema newer than it knows.
-- depends: 0001_ledger_and_graph
-- oldest-release: 0.1
-- locks: nothing
-- rewrites: nothing

CREATE TABLE schema_compatibility (
  migration text PRIMARY KEY,
  oldest_release text NOT NULL CHECK (oldest_release ~ '^[0-9]+(\.[0-9]+)*$')
);
COMMENT ON TABLE schema_compatibility IS
'The oldest release whose processes run on the schema after a migration. Each migration from this one on adds its row.';
INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0003_schema_compatibility', '0.1');
