-- What was purged after its retention time says so; a table to rebuild the graph in.
-- depends: 0002_cancel_retract_check

ALTER TABLE uploads ADD COLUMN purged_at timestamptz;
ALTER TABLE uploads ADD COLUMN rejects_purged_at timestamptz;
COMMENT ON COLUMN uploads.purged_at IS
'When the last of its payloads and merged deltas was purged: it cannot be replayed or retracted any more.';
COMMENT ON COLUMN uploads.rejects_purged_at IS
'When purging its rejects began: from then on the counters know of more rejects than there are.';
CREATE INDEX uploads_unpurged ON uploads (finished_at) WHERE purged_at IS NULL;

CREATE UNLOGGED TABLE edges_shadow (
  source_id bigint NOT NULL,
  target_id bigint NOT NULL,
  mention_count bigint NOT NULL,
  weight double precision NOT NULL,
  weighed_at timestamptz NOT NULL,
  first_seen timestamptz NOT NULL,
  last_seen timestamptz NOT NULL,
  PRIMARY KEY (source_id, target_id)
);
COMMENT ON TABLE edges_shadow IS
'The graph as `rebuild` counts it anew from the ledger. Empty at other times, and after a crash.';
