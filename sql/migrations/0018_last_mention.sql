-- Keep the instant of the last mention that was merged, so that no answer about an earlier instant holds it.
-- depends: 0017_traces
-- oldest-release: 0.1
-- locks: graph_versions, exclusively, for as long as it takes to change the catalog and a row a shard
-- rewrites: nothing

ALTER TABLE graph_versions ADD COLUMN last_mention timestamptz;
COMMENT ON COLUMN graph_versions.last_mention IS
'The latest instant at which a mention that was merged counts. Withdrawals leave it. NULL: no mention was merged.';

-- No mention counts as made after its upload arrived. Where posts count at their own instants, this one is later.
UPDATE graph_versions SET last_mention = (SELECT max(received_at) FROM uploads) WHERE part >= 0;

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0018_last_mention', '0.1');
