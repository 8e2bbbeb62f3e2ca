-- Keep what traces are made of: the trace context of uploads, every attempt of a batch, every merge and summary.
-- depends: 0016_metric_counts
-- oldest-release: 0.1
-- locks: batches, exclusively, for as long as it takes to change the catalog
-- rewrites: nothing

ALTER TABLE uploads
  ADD COLUMN traceparent text,
  ADD COLUMN traced_from text,
  ADD COLUMN tracestate text,
  ADD COLUMN trace_due boolean;
COMMENT ON COLUMN uploads.traceparent IS
'W3C trace context: trace and span of the request that sent it. NULL: an earlier release received it.';
COMMENT ON COLUMN uploads.traced_from IS 'Span of the sender, as its traceparent said. NULL: the trace begins here.';
COMMENT ON COLUMN uploads.tracestate IS 'The sender''s tracestate, for the spans of the upload.';
COMMENT ON COLUMN uploads.trace_due IS
'Whether its spans are still to be sent; false: they were. NULL: they are not to be sent, or go with those of its zip.';
CREATE INDEX uploads_trace_due ON uploads (finished_at) WHERE trace_due;

CREATE TABLE batch_attempts (
  batch_id bigint NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
  claim uuid NOT NULL,
  number smallint NOT NULL,
  process text NOT NULL,
  began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  outcome text CHECK (outcome IN ('counted', 'checked', 'failed', 'lost', 'cancelled')),
  PRIMARY KEY (batch_id, claim),
  CONSTRAINT ended_attempts_say_how CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
COMMENT ON TABLE batch_attempts IS
'Append-only: one row a claim, written by a trigger, so that none can be missed. An attempt whose process was killed '
'ends as `lost` when the next one begins, or when the batch fails.';

CREATE FUNCTION record_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.claim IS NOT NULL THEN
    UPDATE batch_attempts
    SET
      ended_at = clock_timestamp(),
      outcome = CASE
        WHEN NEW.claim IS NOT NULL THEN 'lost'
        WHEN NEW.state = 'staged' THEN 'failed'
        WHEN NEW.state = 'failed' AND OLD.claimed_until <= clock_timestamp() THEN 'lost'
        WHEN NEW.state IN ('counted', 'checked', 'failed') THEN NEW.state
        ELSE 'cancelled'
      END
    WHERE batch_id = NEW.id AND claim = OLD.claim AND ended_at IS NULL;
  END IF;
  IF NEW.claim IS NOT NULL THEN
    INSERT INTO batch_attempts (batch_id, claim, number, process)
    VALUES (NEW.id, NEW.claim, NEW.attempts, current_setting('application_name'));
  END IF;
  RETURN NULL;
END;
$$;
CREATE TRIGGER batches_claimed AFTER UPDATE OF claim ON batches
FOR EACH ROW WHEN (OLD.claim IS DISTINCT FROM NEW.claim) EXECUTE FUNCTION record_attempt();

CREATE TABLE passes (
  began_at timestamptz NOT NULL,
  kind text NOT NULL CHECK (kind IN ('merge', 'summarize')),
  shard smallint NOT NULL,
  seconds double precision NOT NULL CHECK (seconds >= 0),
  process text NOT NULL,
  batch_ids bigint[] NOT NULL,
  traced boolean NOT NULL DEFAULT false,
  PRIMARY KEY (began_at, kind, shard)
);
COMMENT ON TABLE passes IS
'Each merge of a shard, and each making of summaries, with the batches whose deltas it took. Kept for a few days.';
COMMENT ON COLUMN passes.began_at IS 'The same instant as deltas.merged_at, or deltas.summarized_at, of what it took.';
COMMENT ON COLUMN passes.shard IS '-1 for summaries, which take deltas of all shards.';
COMMENT ON COLUMN passes.traced IS 'Whether its span was sent.';

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0017_traces', '0.1');
