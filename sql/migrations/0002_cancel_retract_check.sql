-- Uploads can be checked without being applied, cancelled, and retracted; deltas stay after their merge, as provenance.
-- depends: 0001_ledger_and_graph

ALTER TABLE uploads DROP CONSTRAINT uploads_state_check;
ALTER TABLE uploads ADD CONSTRAINT uploads_state_check CHECK (state IN (
  'receiving', 'staged', 'applying', 'applied', 'failed', 'checking', 'checked', 'cancelling', 'cancelled', 'aborted',
  'duplicate', 'retracting', 'retracted'
));
ALTER TABLE uploads DROP CONSTRAINT finished_uploads_say_when;
ALTER TABLE uploads ADD CONSTRAINT finished_uploads_say_when CHECK (
  (state IN ('receiving', 'staged', 'applying', 'checking', 'cancelling', 'retracting')) = (finished_at IS NULL)
);
-- A failed upload that keeps an error of its own was refused as a whole: nothing of it is applied, so it may come
-- again.
DROP INDEX uploads_same_bytes;
CREATE UNIQUE INDEX uploads_same_bytes ON uploads (sha256)
WHERE NOT again AND state IN ('staged', 'applying', 'applied', 'failed') AND error IS NULL;

ALTER TABLE batches DROP CONSTRAINT batches_state_check;
ALTER TABLE batches ADD CONSTRAINT batches_state_check CHECK (state IN (
  'staged', 'counted', 'applied', 'failed', 'checked', 'cancelled', 'retracting', 'retracted'
));
ALTER TABLE batches DROP CONSTRAINT counted_batches_say_what_was_counted;
ALTER TABLE batches ADD CONSTRAINT counted_batches_say_what_was_counted CHECK (
  state NOT IN ('counted', 'applied', 'checked', 'retracting', 'retracted') OR (
    counted_at IS NOT NULL AND rows_received IS NOT NULL AND rows_accepted IS NOT NULL
    AND rows_rejected IS NOT NULL AND mentions IS NOT NULL AND edges IS NOT NULL
    AND profile IS NOT NULL AND profile_version IS NOT NULL
  )
);
ALTER TABLE batches DROP CONSTRAINT applied_batches_say_when;
ALTER TABLE batches ADD CONSTRAINT applied_batches_say_when CHECK (state <> 'applied' OR applied_at IS NOT NULL);

ALTER TABLE deltas ADD COLUMN sign smallint NOT NULL DEFAULT 1 CHECK (sign IN (1, -1));
ALTER TABLE deltas ADD COLUMN held boolean NOT NULL DEFAULT false;
ALTER TABLE deltas ADD COLUMN merged_at timestamptz;
COMMENT ON COLUMN deltas.sign IS '-1: it is taken out of the graph again.';
COMMENT ON COLUMN deltas.held IS
'Not to be merged until every batch of its upload is counted, and its rejects are few enough.';
COMMENT ON COLUMN deltas.merged_at IS 'NULL: pending. A merged delta stays, as provenance, and to be retracted.';
CREATE INDEX deltas_pending ON deltas (shard, batch_id) WHERE merged_at IS NULL AND NOT held;

-- Retracting takes a row to 0 before it is deleted, in the same transaction.
ALTER TABLE edges DROP CONSTRAINT edges_mention_count_check;
ALTER TABLE edges ADD CONSTRAINT edges_mention_count_check CHECK (mention_count >= 0);

CREATE TABLE idempotency_keys (
  key text PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 255),
  upload_id uuid NOT NULL REFERENCES uploads (id),
  fingerprint bytea,
  answer_status smallint,
  answer jsonb,
  created_at timestamptz NOT NULL
);
COMMENT ON TABLE idempotency_keys IS 'draft-ietf-httpapi-idempotency-key-header: kept as long as their uploads.';
COMMENT ON COLUMN idempotency_keys.fingerprint IS
'SHA-256 of the decoded body and of the query; NULL while it is received.';
CREATE INDEX idempotency_keys_upload ON idempotency_keys (upload_id);
