-- A batch says how many of its rejects are kept, and how many it has of each code, since an upload keeps so many rows
-- and no more. Uploads that applied nothing are forgotten after some days, so they are found by index.
-- depends: 0008_what_an_export_holds
-- oldest-release: 0.1
-- locks: batches, for a moment; uploads, while two indexes are built
-- rewrites: nothing

ALTER TABLE batches ADD COLUMN rejects_kept integer CHECK (rejects_kept >= 0);
ALTER TABLE batches ADD COLUMN reject_codes jsonb;
COMMENT ON COLUMN batches.rejects_kept IS
'Rejects whose rows were kept when the batch was counted. NULL: all of them, an earlier release counted the batch.';
COMMENT ON COLUMN batches.reject_codes IS
'Number of rejects by code, also of those whose rows were not kept. NULL: none, or counted by an earlier release.';

-- Uploads of which nothing is in the graph: after MENTIONGRAPH_UNAPPLIED_RETENTION_DAYS they are forgotten.
CREATE INDEX uploads_unapplied ON uploads (finished_at)
WHERE parent_id IS NULL AND (
  state IN ('aborted', 'duplicate', 'checked', 'cancelled') OR (state = 'failed' AND error IS NOT NULL)
);
-- Deleting an upload looks for its duplicates.
CREATE INDEX uploads_duplicates ON uploads (duplicate_of) WHERE duplicate_of IS NOT NULL;

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0009_bounded_rejects', '0.1');
