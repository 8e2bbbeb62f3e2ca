-- The schema as it stands: what the migrations add up to (a test compares the two).
--
-- Vocabulary
--   upload    one file received over HTTP, or a zip with several files, whose members are uploads, too.
--   batch     a slice of an upload, about 8 MB of CSV, cut between rows; the unit of work and of exactly-once.
--   reject    a row that could not be read: where, why, and its own bytes.
--   delta     what one batch adds to one shard: edges with counts; pending until it is merged into the graph.
--   shard     a contiguous range of source ids; one merge works on one shard, under its advisory lock.
--   edge      source mentions target: a count, and a weight that halves every half-life.
--   summary   what merged deltas add up to: by user, by day; made some time after the merge.
--   post id   what tells a post apart, whatever file it comes in: one batch owns a post and counts it, others hold it.
--   claim     a token that says which attempt of which worker may finish a batch.
--   attempt   what one claim came to.
--   pass      one merge of a shard, or one making of summaries, with the batches whose deltas it took.
--   ring      to send a batch's or a shard's message through Redis; it carries no truth and may be lost.
--
-- Rules, so that edges and edges_archive may be distributed by source_id with Citus, unchanged: every unique key
-- contains source_id, source_id is never updated, no foreign key and no trigger on them, instants come in as data.
-- Only decay works by place (ctid), which a distributed table as a whole does not have: see app/graph/decay_ranges.py.

CREATE TABLE graph_parameters (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  half_life interval DEFAULT interval '7 days' CHECK (half_life > interval '0'),
  shards smallint NOT NULL DEFAULT 8 CHECK (shards IN (1, 2, 4, 8, 16, 32, 64)),
  handle_bits smallint NOT NULL DEFAULT 64 CHECK (handle_bits BETWEEN 1 AND 64)
);
COMMENT ON TABLE graph_parameters IS 'What every process must agree on. Fixed once the graph holds edges.';
COMMENT ON COLUMN graph_parameters.half_life IS 'NULL: weights do not decay.';
INSERT INTO graph_parameters DEFAULT VALUES;

-- The ledger ---------------------------------------------------------------------------------------------------------

-- A transaction says by the settings mentiongraph.… for whom it works (app/store/acting.py).
CREATE TABLE uploads (
  id uuid PRIMARY KEY,
  state text NOT NULL DEFAULT 'receiving' CHECK (state IN (
    'receiving', 'staged', 'applying', 'applied', 'failed', 'checking', 'checked', 'cancelling', 'cancelled', 'aborted',
    'duplicate', 'retracting', 'retracted'
  )),
  filename text,
  options jsonb NOT NULL,
  format jsonb,
  again boolean NOT NULL DEFAULT false,
  received_by text NOT NULL,
  received_at timestamptz NOT NULL,
  heartbeat_at timestamptz NOT NULL,
  sealed_at timestamptz,
  finished_at timestamptz,
  sha256 bytea CHECK (length(sha256) = 32),
  size_bytes bigint CHECK (size_bytes >= 0),
  batch_count integer CHECK (batch_count >= 0),
  duplicate_of uuid REFERENCES uploads (id),
  error jsonb,
  purged_at timestamptz,
  rejects_purged_at timestamptz,
  parent_id uuid CONSTRAINT members_have_a_parent REFERENCES uploads (id),
  members integer CONSTRAINT parents_have_members CHECK (members > 0),
  key_id text DEFAULT nullif(current_setting('mentiongraph.key_id', true), ''),
  owner text DEFAULT nullif(current_setting('mentiongraph.owner', true), ''),
  address text DEFAULT nullif(current_setting('mentiongraph.address', true), ''),
  note text CONSTRAINT notes_are_short CHECK (length(note) BETWEEN 1 AND 500),
  traceparent text,
  traced_from text,
  tracestate text,
  trace_due boolean,
  CONSTRAINT parents_have_no_parent CHECK (parent_id IS NULL OR members IS NULL),
  CONSTRAINT sealed_uploads_say_what_they_hold CHECK (
    state IN ('receiving', 'aborted', 'cancelled')
    OR (sha256 IS NOT NULL AND size_bytes IS NOT NULL AND batch_count IS NOT NULL AND sealed_at IS NOT NULL)
  ),
  CONSTRAINT finished_uploads_say_when CHECK (
    (state IN ('receiving', 'staged', 'applying', 'checking', 'cancelling', 'retracting')) = (finished_at IS NULL)
  ),
  CONSTRAINT duplicates_say_of_what CHECK ((state = 'duplicate') = (duplicate_of IS NOT NULL))
);
-- The same bytes are applied once, however many clients send them at the same instant. A failed upload that keeps an
-- error of its own was refused as a whole, or had every row rejected: nothing of it is applied, so it may come again.
-- A zip counts nothing by itself. The same zip may come again after one of its members was retracted.
CREATE UNIQUE INDEX uploads_same_bytes ON uploads (sha256)
WHERE NOT again AND members IS NULL AND state IN ('staged', 'applying', 'applied', 'failed') AND error IS NULL;
CREATE INDEX uploads_sha256 ON uploads (sha256);
CREATE INDEX uploads_unfinished ON uploads (state) WHERE finished_at IS NULL;
CREATE INDEX uploads_received ON uploads (received_at DESC, id DESC);
COMMENT ON COLUMN uploads.purged_at IS
'When the last of its payloads and merged deltas was purged: it cannot be replayed or retracted any more.';
COMMENT ON COLUMN uploads.rejects_purged_at IS
'When purging its rejects began: from then on the counters know of more rejects than there are.';
COMMENT ON COLUMN uploads.parent_id IS 'The zip that held the file. NULL: the file came by itself.';
COMMENT ON COLUMN uploads.members IS 'Files of posts in a zip, each an upload. NULL: the upload is a file.';
CREATE INDEX uploads_members ON uploads (parent_id, id) WHERE parent_id IS NOT NULL;
CREATE INDEX uploads_unpurged ON uploads (finished_at) WHERE purged_at IS NULL;
-- Uploads of which nothing is in the graph: after MENTIONGRAPH_UNAPPLIED_RETENTION_DAYS they are forgotten.
CREATE INDEX uploads_unapplied ON uploads (finished_at)
WHERE parent_id IS NULL AND (
  state IN ('aborted', 'duplicate', 'checked', 'cancelled') OR (state = 'failed' AND error IS NOT NULL)
);
-- Deleting an upload looks for its duplicates.
CREATE INDEX uploads_duplicates ON uploads (duplicate_of) WHERE duplicate_of IS NOT NULL;

CREATE INDEX uploads_owner ON uploads (owner, received_at DESC, id DESC) WHERE owner IS NOT NULL;
COMMENT ON COLUMN uploads.note IS 'What people say of the upload. NULL: nothing.';
COMMENT ON COLUMN uploads.key_id IS
'Key of the request that sent it. NULL: it came without a key. Likewise owner and address.';

COMMENT ON COLUMN uploads.traceparent IS
'W3C trace context: trace and span of the request that sent it. NULL: an earlier release received it.';
COMMENT ON COLUMN uploads.traced_from IS 'Span of the sender, as its traceparent said. NULL: the trace begins here.';
COMMENT ON COLUMN uploads.tracestate IS 'The sender''s tracestate, for the spans of the upload.';
COMMENT ON COLUMN uploads.trace_due IS
'Whether its spans are still to be sent; false: they were. NULL: they are not to be sent, or go with those of its zip.';
CREATE INDEX uploads_trace_due ON uploads (finished_at) WHERE trace_due;

CREATE TABLE batches (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  upload_id uuid NOT NULL REFERENCES uploads (id),
  ordinal integer NOT NULL CHECK (ordinal >= 0),
  state text NOT NULL DEFAULT 'staged' CHECK (state IN (
    'staged', 'counted', 'applied', 'failed', 'checked', 'cancelled', 'retracting', 'retracted'
  )),
  first_line bigint NOT NULL CHECK (first_line >= 1),
  size_bytes integer NOT NULL CHECK (size_bytes > 0),
  rows_staged integer CHECK (rows_staged > 0),
  payload bytea,
  attempts smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at timestamptz NOT NULL,
  rung_at timestamptz,
  claim uuid,
  claimed_until timestamptz,
  profile text,
  profile_version smallint,
  rows_received integer CHECK (rows_received >= 0),
  rows_accepted integer CHECK (rows_accepted >= 0),
  rows_rejected integer CHECK (rows_rejected >= 0),
  mentions bigint CHECK (mentions >= 0),
  edges integer CHECK (edges >= 0),
  error jsonb,
  staged_at timestamptz NOT NULL,
  counted_at timestamptz,
  applied_at timestamptz,
  rows_repeated integer CHECK (rows_repeated >= 0),
  ids_owned integer CHECK (ids_owned >= 0),
  warnings jsonb,
  rejects_kept integer CHECK (rejects_kept >= 0),
  reject_codes jsonb,
  erased_at timestamptz,
  UNIQUE (upload_id, ordinal),
  CONSTRAINT every_row_is_accounted_for CHECK (rows_received = rows_accepted + rows_rejected),
  CONSTRAINT received_rows_are_those_staged CHECK (rows_received = rows_staged),
  CONSTRAINT rows_with_ids_are_accepted CHECK (rows_repeated + ids_owned <= rows_accepted),
  CONSTRAINT counted_batches_say_what_was_counted CHECK (
    state NOT IN ('counted', 'applied', 'checked', 'retracting', 'retracted') OR (
      counted_at IS NOT NULL AND rows_received IS NOT NULL AND rows_accepted IS NOT NULL
      AND rows_rejected IS NOT NULL AND mentions IS NOT NULL AND edges IS NOT NULL
      AND profile IS NOT NULL AND profile_version IS NOT NULL
    )
  ),
  CONSTRAINT applied_batches_say_when CHECK (state <> 'applied' OR applied_at IS NOT NULL),
  CONSTRAINT failed_batches_say_why CHECK (state <> 'failed' OR error IS NOT NULL),
  CONSTRAINT claims_are_whole CHECK ((claim IS NULL) = (claimed_until IS NULL)),
  CONSTRAINT only_staged_batches_are_claimed CHECK (claim IS NULL OR state = 'staged')
);
-- Payloads are compressed already: out of line, untouched by pglz.
ALTER TABLE batches ALTER COLUMN payload SET STORAGE EXTERNAL;
-- A vacuum that only new rows ask for would write each page of a payload to the log once more (its checksum changes by
-- the mark that all is visible), for rows that go as a whole after the retention time. Likewise deltas.
ALTER TABLE batches SET (toast.autovacuum_vacuum_insert_threshold = -1);
COMMENT ON COLUMN batches.rows_repeated IS
'Accepted rows whose post another row counts. NULL: the upload gives no ids of posts.';
COMMENT ON COLUMN batches.ids_owned IS 'Rows in post_ids that are this batch''s: posts that it counts. NULL: as above.';
CREATE INDEX batches_staged ON batches (next_attempt_at) WHERE state = 'staged';
CREATE INDEX batches_failed ON batches (upload_id) WHERE state = 'failed';
-- Of these, and of staged and failed ones, metrics tell how many there are.
CREATE INDEX batches_counted ON batches (upload_id) WHERE state = 'counted';
COMMENT ON COLUMN batches.warnings IS
'By code what the count noticed: a number, first lines, an example. NULL: nothing, or an earlier release counted it.';
COMMENT ON COLUMN batches.rejects_kept IS
'Rejects whose rows were kept when the batch was counted. NULL: all of them, an earlier release counted the batch.';
COMMENT ON COLUMN batches.reject_codes IS
'Number of rejects by code, also of those whose rows were not kept. NULL: none, or counted by an earlier release.';
COMMENT ON COLUMN batches.erased_at IS
'When the payload was dropped because it held a forgotten person. The batch cannot be replayed or rebuilt from.';

CREATE TABLE rejects (
  upload_id uuid NOT NULL REFERENCES uploads (id),
  line bigint NOT NULL CHECK (line >= 1),
  batch_id bigint NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
  column_name text,
  code text NOT NULL,
  message text NOT NULL,
  raw bytea NOT NULL,
  value bytea,
  PRIMARY KEY (upload_id, line)
);
COMMENT ON COLUMN rejects.line IS 'Physical line number in the file as it was sent, the header being line 1.';
COMMENT ON COLUMN rejects.column_name IS 'As the file calls it. NULL: it is not about one column.';
COMMENT ON COLUMN rejects.value IS 'What stands in the column, up to 200 characters of it.';
CREATE INDEX rejects_batch ON rejects (batch_id);

CREATE TABLE deltas (
  shard smallint NOT NULL CHECK (shard >= 0),
  batch_id bigint NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
  edges integer NOT NULL CHECK (edges > 0),
  mentions bigint NOT NULL CHECK (mentions > 0),
  payload bytea NOT NULL,
  sign smallint NOT NULL DEFAULT 1 CHECK (sign IN (1, -1)),
  held boolean NOT NULL DEFAULT false,
  merged_at timestamptz,
  days bytea,
  summarized_at timestamptz,
  days_from date,
  part integer NOT NULL DEFAULT 0 CHECK (part >= 0),
  PRIMARY KEY (shard, batch_id, part)
);
COMMENT ON COLUMN deltas.part IS
'0: what the batch counted. From 1 on: what it counts since another upload left the graph.';
COMMENT ON COLUMN deltas.payload IS
'Arrow IPC stream, zstd: source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen.';
ALTER TABLE deltas ALTER COLUMN payload SET STORAGE EXTERNAL;
ALTER TABLE deltas SET (toast.autovacuum_vacuum_insert_threshold = -1);
COMMENT ON COLUMN deltas.sign IS '-1: it is taken out of the graph again.';
COMMENT ON COLUMN deltas.held IS
'Not to be merged until every batch of its upload is counted, and its rejects are few enough.';
COMMENT ON COLUMN deltas.merged_at IS 'NULL: pending. A merged delta stays, as provenance, and to be retracted.';
CREATE INDEX deltas_batch ON deltas (batch_id);
CREATE INDEX deltas_pending ON deltas (shard, batch_id) WHERE merged_at IS NULL AND NOT held;
COMMENT ON COLUMN deltas.days IS
'Of edges mentioned on several days: source_id, target_id, day, mentions. As payload; empty: there are none. NULL: days '
'are not told apart.';
ALTER TABLE deltas ALTER COLUMN days SET STORAGE EXTERNAL;
COMMENT ON COLUMN deltas.summarized_at IS 'When it was added to the summaries. NULL: it is not in them.';
COMMENT ON COLUMN deltas.days_from IS 'The first of its days that were added to them. NULL: none.';
-- What is merged, and not in the summaries yet, or taken out of the graph, and not of them.
CREATE INDEX deltas_unsummarized ON deltas (merged_at)
WHERE merged_at IS NOT NULL AND (summarized_at IS NOT NULL) <> (sign = 1);

-- No foreign keys in these two tables: a batch that was counted is never deleted, and each post would cost a lookup.
CREATE TABLE post_ids (
  key uuid PRIMARY KEY,
  batch_id bigint NOT NULL
);
COMMENT ON TABLE post_ids IS
'Each post that was counted, by the hash of its scope and id, with the batch that counts it: its owner.';
-- Equal values share their row pointers, so the index has about 7 bytes a post.
CREATE INDEX post_ids_batch ON post_ids (batch_id);

CREATE TABLE post_repeats (
  holder_id bigint NOT NULL,
  owner_id bigint NOT NULL,
  PRIMARY KEY (holder_id, owner_id)
);
COMMENT ON TABLE post_repeats IS
'Which batch (the holder) has rows whose posts a batch of another upload (the owner) counts.';
CREATE INDEX post_repeats_owner ON post_repeats (owner_id);

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

CREATE TABLE ledger_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  upload_id uuid NOT NULL,
  batch_id bigint,
  from_state text,
  to_state text NOT NULL,
  process text NOT NULL,
  reason jsonb,
  key_id text DEFAULT nullif(current_setting('mentiongraph.key_id', true), ''),
  owner text DEFAULT nullif(current_setting('mentiongraph.owner', true), ''),
  address text DEFAULT nullif(current_setting('mentiongraph.address', true), '')
);
COMMENT ON TABLE ledger_events IS
'Append-only: one row a change of state, written by triggers, so that none can be missed.';
COMMENT ON COLUMN ledger_events.key_id IS
'Key of the request that caused it. NULL: a worker did, or there was no key. Likewise owner and address.';
CREATE INDEX ledger_events_upload ON ledger_events (upload_id, id);

-- Whoever sends an upload enters the upload and its batches, and takes the upload from `receiving` to `staged` or
-- `duplicate`. So these events are the sender's, and their transactions need not say for whom they work.
CREATE FUNCTION record_upload_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO ledger_events (upload_id, to_state, process, key_id, owner, address)
    VALUES (NEW.id, NEW.state, current_setting('application_name'), NEW.key_id, NEW.owner, NEW.address);
  ELSIF OLD.state = 'receiving' AND NEW.state IN ('staged', 'duplicate') THEN
    INSERT INTO ledger_events (upload_id, from_state, to_state, process, reason, key_id, owner, address)
    VALUES (
      NEW.id, OLD.state, NEW.state, current_setting('application_name'), NEW.error, NEW.key_id, NEW.owner, NEW.address
    );
  ELSE
    INSERT INTO ledger_events (upload_id, from_state, to_state, process, reason)
    VALUES (NEW.id, OLD.state, NEW.state, current_setting('application_name'), NEW.error);
  END IF;
  RETURN NULL;
END;
$$;

CREATE FUNCTION record_batch_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO ledger_events (upload_id, batch_id, to_state, process, key_id, owner, address)
    SELECT NEW.upload_id, NEW.id, NEW.state, current_setting('application_name'), u.key_id, u.owner, u.address
    FROM uploads AS u WHERE u.id = NEW.upload_id;
  ELSE
    INSERT INTO ledger_events (upload_id, batch_id, from_state, to_state, process, reason)
    VALUES (NEW.upload_id, NEW.id, OLD.state, NEW.state, current_setting('application_name'), NEW.error);
  END IF;
  RETURN NULL;
END;
$$;

CREATE TRIGGER uploads_born AFTER INSERT ON uploads
FOR EACH ROW EXECUTE FUNCTION record_upload_state();
CREATE TRIGGER uploads_changed AFTER UPDATE OF state ON uploads
FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION record_upload_state();
CREATE TRIGGER batches_born AFTER INSERT ON batches
FOR EACH ROW EXECUTE FUNCTION record_batch_state();
CREATE TRIGGER batches_changed AFTER UPDATE OF state ON batches
FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION record_batch_state();

-- Counters -----------------------------------------------------------------------------------------------------------

-- Counters of what the ledger's transactions did. Each transaction appends rows of its own. Two transactions that
-- advanced one row would wait for each other, and could not go on where each has locked rows that the other one wants.
-- Triggers append the rows, so that processes of earlier releases are counted, too. A sweep adds them up.

CREATE TABLE metric_counts (
  names text[] NOT NULL,
  amounts double precision[] NOT NULL,
  CONSTRAINT every_name_has_an_amount CHECK (cardinality(names) = cardinality(amounts))
);
COMMENT ON TABLE metric_counts IS
'What transactions added to counters, each a row of its own, until a sweep adds them to metric_totals.';
COMMENT ON COLUMN metric_counts.names IS 'Names of counters: the metric, a slash, and the value of its label if any.';

CREATE TABLE metric_totals (
  name text PRIMARY KEY,
  total double precision NOT NULL CHECK (total >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE metric_totals IS
'The counters, without what waits in metric_counts. They never fall, whatever is purged.';

-- What an observation adds to a histogram: one to the first bucket that holds it, and its seconds to the sum.
CREATE FUNCTION count_seconds(
  histogram text, seconds double precision, bounds double precision[]
) RETURNS TABLE (name text, amount double precision) LANGUAGE sql IMMUTABLE AS $$
  SELECT histogram || '/' || coalesce((SELECT min(b.b)::text FROM unnest(bounds) AS b (b) WHERE b.b >= seconds), 'inf'), 1
  UNION ALL
  SELECT histogram || '/sum', greatest(seconds, 0)
$$;

-- A zip is an upload, and so is each of its files; bytes and times are those of files. An upload may end several times:
-- it is replayed after a failure, or retracted.
CREATE FUNCTION count_upload() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  counted metric_counts;
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO metric_counts (names, amounts) VALUES (ARRAY['upload_begins_total/'], ARRAY[1]);
    RETURN NULL;
  END IF;
  SELECT array_agg(c.name), array_agg(c.amount) INTO counted.names, counted.amounts FROM (
    SELECT 'upload_ends_total/' || NEW.state, 1::double precision
    WHERE NEW.finished_at IS NOT NULL
    UNION ALL
    SELECT 'sealed_bytes_total/', NEW.size_bytes
    WHERE OLD.state = 'receiving' AND NEW.sealed_at IS NOT NULL AND NEW.members IS NULL
    UNION ALL
    SELECT s.* FROM count_seconds(
      'step_duration_seconds.receive', date_part('epoch', NEW.sealed_at - NEW.received_at),
      '{0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900}'
    ) AS s
    WHERE OLD.state = 'receiving' AND NEW.sealed_at IS NOT NULL AND NEW.parent_id IS NULL
    UNION ALL
    SELECT s.* FROM count_seconds(
      'upload_to_applied_seconds', date_part('epoch', NEW.finished_at - NEW.sealed_at),
      '{1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600}'
    ) AS s
    WHERE NEW.state = 'applied' AND NEW.members IS NULL
  ) AS c (name, amount);
  IF counted.names IS NOT NULL THEN
    INSERT INTO metric_counts (names, amounts) VALUES (counted.names, counted.amounts);
  END IF;
  RETURN NULL;
END;
$$;

-- Nothing of a dry run is in the graph, so its rows and mentions are not counted.
CREATE FUNCTION count_batch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  counted metric_counts;
BEGIN
  SELECT array_agg(c.name), array_agg(c.amount) INTO counted.names, counted.amounts FROM (
    SELECT 'batch_ends_total/' || NEW.state, 1::double precision
    WHERE NEW.state IN ('applied', 'failed', 'checked', 'cancelled', 'retracted')
    UNION ALL
    SELECT v.name, v.amount FROM (
      VALUES
      ('rows_total/counted', NEW.rows_accepted - coalesce(NEW.rows_repeated, 0)),
      ('rows_total/repeated', coalesce(NEW.rows_repeated, 0)),
      ('rows_total/rejected', NEW.rows_rejected),
      ('mentions_total/', NEW.mentions)
    ) AS v (name, amount)
    WHERE NEW.state = 'counted' AND v.amount > 0
    UNION ALL
    SELECT s.* FROM count_seconds(
      'step_duration_seconds.count', date_part('epoch', NEW.counted_at - NEW.staged_at),
      '{0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900}'
    ) AS s
    WHERE NEW.state = 'counted'
    UNION ALL
    SELECT s.* FROM count_seconds(
      'step_duration_seconds.merge', date_part('epoch', NEW.applied_at - NEW.counted_at),
      '{0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900}'
    ) AS s
    WHERE OLD.state = 'counted' AND NEW.state = 'applied'
  ) AS c (name, amount);
  IF counted.names IS NOT NULL THEN
    INSERT INTO metric_counts (names, amounts) VALUES (counted.names, counted.amounts);
  END IF;
  RETURN NULL;
END;
$$;

CREATE FUNCTION count_rejects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO metric_counts (names, amounts)
  SELECT array_agg('rejects_total/' || c.key), array_agg(c.value::double precision)
  FROM jsonb_each_text(NEW.reject_codes) AS c
  HAVING count(*) > 0;
  RETURN NULL;
END;
$$;

CREATE TRIGGER uploads_begun_are_counted AFTER INSERT ON uploads
FOR EACH ROW EXECUTE FUNCTION count_upload();
CREATE TRIGGER uploads_are_counted AFTER UPDATE OF state ON uploads
FOR EACH ROW WHEN (
  OLD.state IS DISTINCT FROM NEW.state AND (OLD.state = 'receiving' OR NEW.finished_at IS NOT NULL)
) EXECUTE FUNCTION count_upload();
CREATE TRIGGER batches_are_counted AFTER UPDATE OF state ON batches
FOR EACH ROW WHEN (
  OLD.state IS DISTINCT FROM NEW.state AND NEW.state NOT IN ('staged', 'retracting')
) EXECUTE FUNCTION count_batch();
CREATE TRIGGER rejects_are_counted AFTER UPDATE OF reject_codes ON batches
FOR EACH ROW WHEN (OLD.reject_codes IS NULL AND NEW.reject_codes IS NOT NULL AND NEW.state = 'counted')
EXECUTE FUNCTION count_rejects();

-- Traces -------------------------------------------------------------------------------------------------------------

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

-- The graph ----------------------------------------------------------------------------------------------------------

CREATE TABLE users (
  id bigint PRIMARY KEY,
  handle text NOT NULL,
  spelling text NOT NULL
);
COMMENT ON TABLE users IS
'Rows are only ever added. id is the first of hash(handle, 0), hash(handle, 1), … that no other handle has. A row '
'without a handle keeps the id of a forgotten person, so that all other ids stay.';
-- By bytes, whatever the database's collation: for users by prefix.
CREATE INDEX users_handle ON users (handle COLLATE "C");

-- Retracting takes a row to 0 before it is deleted, in the same transaction.
-- fillfactor 60 leaves room on the page, so that most merges are HOT updates. A vacuum that only new rows ask for would
-- log 70 bytes an edge, a fifth of what its merge does, for a mark that the next merge takes away.
CREATE TABLE edges (
  source_id bigint NOT NULL,
  target_id bigint NOT NULL,
  mention_count bigint NOT NULL CHECK (mention_count >= 0),
  weight double precision NOT NULL,
  weighed_at timestamptz NOT NULL,
  first_seen timestamptz NOT NULL,
  last_seen timestamptz NOT NULL,
  PRIMARY KEY (source_id, target_id)
) WITH (fillfactor = 60, autovacuum_vacuum_insert_threshold = -1);
COMMENT ON COLUMN edges.weight IS
'Weight at the instant weighed_at; the effective weight at t is effective_weight(weight, weighed_at, t, half-life).';
CREATE INDEX edges_target ON edges (target_id);

CREATE TABLE edges_archive (
  source_id bigint NOT NULL,
  target_id bigint NOT NULL,
  mention_count bigint NOT NULL CHECK (mention_count > 0),
  weight double precision NOT NULL,
  weighed_at timestamptz NOT NULL,
  first_seen timestamptz NOT NULL,
  last_seen timestamptz NOT NULL,
  archived_at timestamptz NOT NULL,
  PRIMARY KEY (source_id, target_id)
);
CREATE INDEX edges_archive_target ON edges_archive (target_id);

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

-- Exponential decay (Cormode, Shkapenyuk, Srivastava, Xu: Forward Decay, ICDE 2009). The rule is linear in the weight,
-- so neither the order of merges nor the moment of a write-down changes an effective weight. The rule also goes
-- backwards: at an instant before a mention, the mention weighs more than 1. So two weights are in one proportion at
-- every instant. The answer is bounded, since PostgreSQL raises an error where a double is too small or too large: an
-- answer above 1e250 is 1e250, and an answer below 1e-250 is 0. (Above 1e-234 a double loses nothing when 1e-250 is
-- taken off.) The bounds are on the answer, not on the age, so a write-down does not move them. The inner bounds only
-- keep the product finite: for weights from 1e-21 to 1e18 they begin where the answer is out of bounds already. A
-- lighter weight takes the slower way over its logarithm. Each term is computed once, since long lists of edges cost
-- little else. A weight below 0, which is to be taken out, has the answer of its opposite below
-- 0. An edge that is not there has no weight: NULL stays NULL.
CREATE FUNCTION effective_weight(
  weight double precision, weighed_at timestamptz, at timestamptz, half_life_seconds double precision
) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT sign(weight) * greatest(0, least(1e250, CASE
    WHEN abs(weight) > 1e-21
      THEN abs(weight) * power(2, least(950, greatest(-950, date_part('epoch', weighed_at - at) / half_life_seconds)))
    WHEN weight <> 0
      THEN power(2, least(1000, greatest(
        -1000, ln(abs(weight)) / ln(2::double precision) + date_part('epoch', weighed_at - at) / half_life_seconds
      )))
    ELSE 0
  END) - 1e-250)
$$;

-- What is left of a weight when some of it is taken out again. So little of it that it may be what rounding left is
-- nothing: looked at from long before, it would be much.
CREATE FUNCTION weight_left(weight double precision, taken double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN weight - taken > 1e-12 * weight THEN weight - taken ELSE 0 END
$$;

-- The edges that an export holds. Its arguments are constants where it is planned, so that what is not asked for costs
-- nothing: the function is inlined. since, until: an edge passes if its time, from its first mention to its last,
-- touches the time from `since` (included) to `until` (left out). around: users' ids, NULL for everybody; depth: how
-- many steps from them (0 to 2) a user is counted among them; touching: whether one end among them is enough. A step is
-- taken along any edge that passes. archived_after: of the archive, only edges that were archived later than this.
-- weighty_after: edges that weigh 0 do not pass. An edge weighed later than this, with more than 1e-9, weighs more than
-- 0 for certain, and is not weighed to find out.
-- OFFSET 0 keeps PostgreSQL, which cannot know how few they are, from reading every edge in place of theirs.
CREATE FUNCTION selected_edges(
  at timestamptz, half_life_seconds double precision, with_archive boolean, with_self_mentions boolean,
  lightest double precision, since timestamptz, around bigint[], depth integer, touching boolean,
  until timestamptz DEFAULT NULL, archived_after timestamptz DEFAULT NULL, weighty_after timestamptz DEFAULT NULL
) RETURNS TABLE (
  source_id bigint, target_id bigint, mention_count bigint, weight double precision,
  first_seen timestamptz, last_seen timestamptz, archived_at timestamptz
) LANGUAGE sql STABLE AS $$
  WITH passing AS NOT MATERIALIZED (
    SELECT
      e.source_id, e.target_id, e.mention_count,
      effective_weight(e.weight, e.weighed_at, at, half_life_seconds) AS weight,
      e.first_seen, e.last_seen, NULL::timestamptz AS archived_at
    FROM edges AS e
    WHERE (with_self_mentions OR e.source_id <> e.target_id)
      AND (since IS NULL OR e.last_seen >= since)
      AND (until IS NULL OR e.first_seen < until)
      AND (lightest IS NULL OR effective_weight(e.weight, e.weighed_at, at, half_life_seconds) >= lightest)
      AND (
        weighty_after IS NULL
        OR (e.weighed_at > weighty_after AND e.weight > 1e-9)
        OR effective_weight(e.weight, e.weighed_at, at, half_life_seconds) > 0
      )
    UNION ALL
    SELECT
      e.source_id, e.target_id, e.mention_count,
      effective_weight(e.weight, e.weighed_at, at, half_life_seconds),
      e.first_seen, e.last_seen, e.archived_at
    FROM edges_archive AS e
    WHERE with_archive
      AND (archived_after IS NULL OR e.archived_at > archived_after)
      AND (with_self_mentions OR e.source_id <> e.target_id)
      AND (since IS NULL OR e.last_seen >= since)
      AND (until IS NULL OR e.first_seen < until)
      AND (lightest IS NULL OR effective_weight(e.weight, e.weighed_at, at, half_life_seconds) >= lightest)
      AND (
        weighty_after IS NULL
        OR (e.weighed_at > weighty_after AND e.weight > 1e-9)
        OR effective_weight(e.weight, e.weighed_at, at, half_life_seconds) > 0
      )
  ),
  given AS MATERIALIZED (SELECT DISTINCT unnest(around) AS id),
  beside AS MATERIALIZED (
    SELECT g.id FROM given AS g
    UNION
    SELECT n.id FROM given AS g
    CROSS JOIN LATERAL (SELECT p.target_id AS id FROM passing AS p WHERE p.source_id = g.id OFFSET 0) AS n
    WHERE depth > 0
    UNION
    SELECT n.id FROM given AS g
    CROSS JOIN LATERAL (SELECT p.source_id AS id FROM passing AS p WHERE p.target_id = g.id OFFSET 0) AS n
    WHERE depth > 0
  ),
  near AS MATERIALIZED (
    SELECT b.id FROM beside AS b
    UNION
    SELECT n.id FROM beside AS b
    CROSS JOIN LATERAL (SELECT p.target_id AS id FROM passing AS p WHERE p.source_id = b.id OFFSET 0) AS n
    WHERE depth > 1
    UNION
    SELECT n.id FROM beside AS b
    CROSS JOIN LATERAL (SELECT p.source_id AS id FROM passing AS p WHERE p.target_id = b.id OFFSET 0) AS n
    WHERE depth > 1
  )
  SELECT p.* FROM passing AS p WHERE around IS NULL
  UNION ALL
  SELECT e.* FROM near AS s
  CROSS JOIN LATERAL (SELECT p.* FROM passing AS p WHERE p.source_id = s.id OFFSET 0) AS e
  INNER JOIN near AS t ON t.id = e.target_id
  WHERE around IS NOT NULL
  UNION ALL
  SELECT e.* FROM near AS s
  CROSS JOIN LATERAL (SELECT p.* FROM passing AS p WHERE p.source_id = s.id OFFSET 0) AS e
  LEFT JOIN near AS t ON t.id = e.target_id
  WHERE around IS NOT NULL AND touching AND t.id IS NULL
  UNION ALL
  SELECT e.* FROM near AS t
  CROSS JOIN LATERAL (SELECT p.* FROM passing AS p WHERE p.target_id = t.id OFFSET 0) AS e
  LEFT JOIN near AS s ON s.id = e.source_id
  WHERE around IS NOT NULL AND touching AND s.id IS NULL
$$;

-- Decay --------------------------------------------------------------------------------------------------------------

CREATE TABLE decay_runs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  as_of timestamptz NOT NULL,
  stale_before timestamptz NOT NULL,
  archive_below double precision NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz,
  written_down bigint NOT NULL DEFAULT 0,
  archived bigint NOT NULL DEFAULT 0,
  ranges_looked_at bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX decay_runs_one_at_a_time ON decay_runs ((true)) WHERE finished_at IS NULL;

-- fillfactor 50: a row is updated with every look, on its own page.
CREATE TABLE decay_ranges (
  first_block bigint PRIMARY KEY CHECK (first_block >= 0),
  oldest timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE decay_ranges IS
'Ranges of blocks of the table of edges: where a decay run has to look. A range that was looked at is due no more.';
COMMENT ON COLUMN decay_ranges.oldest IS
'No edge in these blocks was weighed before this instant, but for those that decay_notes tells of.';

CREATE TABLE decay_notes (
  first_block bigint NOT NULL,
  oldest timestamptz NOT NULL
);
COMMENT ON TABLE decay_notes IS
'Ranges into which a merge has brought edges weighed long before: one row each, for the next decay run.';

CREATE TABLE decay_heap (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  filenode oid NOT NULL,
  range_blocks integer,
  looked_at timestamptz
);
COMMENT ON TABLE decay_heap IS
'Which file of edges decay_ranges is about, and as of when the latest run began. Another file: nothing is known of it.';
INSERT INTO decay_heap (filenode) VALUES (pg_relation_filenode('edges'));

-- Reading ------------------------------------------------------------------------------------------------------------

-- fillfactor 50: a row is updated with every merge, on its own page.
CREATE TABLE graph_versions (
  part smallint PRIMARY KEY CHECK (part >= -1),
  version bigint NOT NULL,
  last_mention timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE graph_versions IS
'Advanced in every transaction that changes what is read: of a shard''s edges, or, as part -1, of the summaries.';
COMMENT ON COLUMN graph_versions.last_mention IS
'The latest instant at which a mention that was merged counts. Withdrawals leave it. NULL: no mention was merged.';

-- Decay takes the same share of every weight, so the order of edges by weight changes only where one is mentioned: it is
-- the order of log2(weight) + weighed_at / half-life, whatever the instant asked for.
CREATE FUNCTION weight_score(
  weight double precision, weighed_at timestamptz, half_life_seconds double precision
) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN weight > 0
      THEN ln(weight) / ln(2::double precision)
        + date_part('epoch', weighed_at - timestamptz '1970-01-01 00:00:00+00') / half_life_seconds
  END
$$;

CREATE TABLE top_edges (
  source_id bigint NOT NULL,
  target_id bigint NOT NULL,
  shard smallint NOT NULL,
  score double precision NOT NULL,
  PRIMARY KEY (source_id, target_id)
);
COMMENT ON TABLE top_edges IS
'Of each shard every edge above its floor (self-mentions left out), kept by the transactions that change edges.';
CREATE INDEX top_edges_score ON top_edges (score DESC, source_id, target_id);
CREATE INDEX top_edges_shard ON top_edges (shard, score DESC);
CREATE INDEX top_edges_target ON top_edges (target_id, score DESC);

CREATE TABLE top_edge_floors (
  shard smallint PRIMARY KEY,
  score double precision NOT NULL,
  source_id bigint NOT NULL,
  target_id bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE top_edge_floors IS
'Every edge of the shard with a higher score, or with this one and a lower key, is in top_edges. No row: all are.';

-- Summaries: what merged deltas add up to, made from them some time after the merge.

-- fillfactor 50, and no index on what changes: every row may be updated by a summary, each on its own page.
CREATE TABLE user_totals (
  user_id bigint PRIMARY KEY,
  mentions_made bigint NOT NULL CHECK (mentions_made >= 0),
  mentions_received bigint NOT NULL CHECK (mentions_received >= 0),
  self_mentions bigint NOT NULL CHECK (self_mentions >= 0),
  weight_made double precision NOT NULL,
  weight_received double precision NOT NULL,
  weighed_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE user_totals IS
'Archived edges included; mentions of oneself are in self_mentions alone. Weights are those at weighed_at.';

CREATE TABLE top_users (
  direction text NOT NULL CHECK (direction IN ('made', 'received')),
  user_id bigint NOT NULL,
  score double precision NOT NULL,
  PRIMARY KEY (direction, user_id)
);
CREATE INDEX top_users_score ON top_users (direction, score DESC, user_id);

CREATE TABLE top_user_floors (
  direction text PRIMARY KEY CHECK (direction IN ('made', 'received')),
  score double precision NOT NULL DEFAULT '-infinity',
  user_id bigint NOT NULL DEFAULT 9223372036854775807
);
COMMENT ON TABLE top_user_floors IS
'Every user with a higher score, or with this one and a lower id, is in top_users.';
INSERT INTO top_user_floors (direction) VALUES ('made'), ('received');

CREATE TABLE day_runs (
  part smallint NOT NULL CHECK (part BETWEEN 0 AND 127),
  run bigint GENERATED ALWAYS AS IDENTITY,
  level smallint NOT NULL CHECK (level >= 0),
  entries integer NOT NULL CHECK (entries > 0),
  last_day date NOT NULL,
  PRIMARY KEY (part, run)
);
COMMENT ON TABLE day_runs IS
'Mentions by edge and UTC day of the post, or by user and day, as sorted runs; those of a key add up over all runs.';
COMMENT ON COLUMN day_runs.part IS
'0 to 63: the edges of a shard. 64 to 127: its users, target_id being 0 for mentions made and 1 for those received.';
COMMENT ON COLUMN day_runs.level IS 'Eight runs of a level become one of the next.';

CREATE TABLE day_blocks (
  part smallint NOT NULL,
  run bigint NOT NULL,
  source_id bigint NOT NULL,
  target_id bigint NOT NULL,
  payload bytea NOT NULL,
  PRIMARY KEY (part, run, source_id, target_id),
  FOREIGN KEY (part, run) REFERENCES day_runs (part, run) ON DELETE CASCADE
);
COMMENT ON TABLE day_blocks IS
'Of a run what begins with a key; a key is in one block. Arrow IPC stream, zstd: source_id, target_id, day, mentions.';
ALTER TABLE day_blocks ALTER COLUMN payload SET STORAGE EXTERNAL;

CREATE TABLE trending_users (
  days smallint NOT NULL CHECK (days > 0),
  place smallint NOT NULL CHECK (place > 0),
  user_id bigint NOT NULL,
  mentions bigint NOT NULL,
  mentions_before bigint NOT NULL,
  growth double precision NOT NULL,
  PRIMARY KEY (days, place)
);
COMMENT ON TABLE trending_users IS
'Of the users by how much more they were mentioned in the last days than in as many days before, the first.';

CREATE TABLE graph_days (
  day date PRIMARY KEY,
  mentions bigint NOT NULL
);
COMMENT ON TABLE graph_days IS
'Mentions in posts of each day, self-mentions left out; made anew with trending_users.';

-- fillfactor 50: the row is updated with every summary, on its own page.
CREATE TABLE summaries (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  ended_at timestamptz,
  seconds double precision NOT NULL DEFAULT 0,
  days_kept integer NOT NULL DEFAULT 0 CHECK (days_kept >= 0),
  days_from date,
  days_since timestamptz,
  trends_ended_at timestamptz,
  trends_seconds double precision NOT NULL DEFAULT 0,
  trends_until date,
  trends_stale_since timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE summaries IS 'When they were made the last time, and how long it took.';
COMMENT ON COLUMN summaries.days_kept IS 'As the workers are told. 0: days are not told apart.';
COMMENT ON COLUMN summaries.days_from IS 'The first day that is kept whole.';
COMMENT ON COLUMN summaries.days_since IS
'Since when days are told apart: what was summarized before has no part in them.';
COMMENT ON COLUMN summaries.trends_until IS 'The last day of the period that trending_users is about.';
COMMENT ON COLUMN summaries.trends_stale_since IS 'NULL: nothing was added to the days since.';
INSERT INTO summaries DEFAULT VALUES;

-- Processes ----------------------------------------------------------------------------------------------------------

CREATE TABLE periods (
  actor text PRIMARY KEY,
  period timestamptz NOT NULL,
  claim uuid,
  claimed_until timestamptz,
  finished_at timestamptz,
  CONSTRAINT claims_are_whole CHECK ((claim IS NULL) = (claimed_until IS NULL)),
  CONSTRAINT periods_are_claimed_or_finished CHECK ((claim IS NULL) = (finished_at IS NOT NULL))
);
COMMENT ON TABLE periods IS
'Of each periodic actor the latest period that was begun: each is worked once, however many schedulers ask for it.';
COMMENT ON COLUMN periods.period IS 'Its start.';

-- fillfactor 50: a row is updated every few seconds, on its own page.
CREATE TABLE processes (
  host text NOT NULL,
  pid integer NOT NULL,
  born bigint NOT NULL,
  role text NOT NULL CHECK (role IN ('worker', 'scheduler')),
  started_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  acted_at timestamptz NOT NULL,
  PRIMARY KEY (host, pid, born)
) WITH (fillfactor = 50);
COMMENT ON TABLE processes IS
'Signs of life. A process that ends properly takes its row away; one that was killed is forgotten after a day.';
COMMENT ON COLUMN processes.born IS
'When the host says that it started, in clock ticks since boot: ids of processes come again.';
COMMENT ON COLUMN processes.acted_at IS
'Worker: when it last asked for messages, of the queue asked the longest ago. Scheduler: its last tick.';

-- Audits -------------------------------------------------------------------------------------------------------------

CREATE TABLE audits (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sample integer NOT NULL CHECK (sample >= 0),
  asked_at timestamptz NOT NULL,
  began_at timestamptz,
  finished_at timestamptz,
  attempts smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  process text,
  result jsonb,
  error jsonb,
  key_id text DEFAULT nullif(current_setting('mentiongraph.key_id', true), ''),
  owner text DEFAULT nullif(current_setting('mentiongraph.owner', true), ''),
  address text DEFAULT nullif(current_setting('mentiongraph.address', true), ''),
  CONSTRAINT finished_audits_say_what_came_of_them CHECK (
    (finished_at IS NOT NULL) = (result IS NOT NULL OR error IS NOT NULL)
  )
);
CREATE UNIQUE INDEX audits_one_at_a_time ON audits ((true)) WHERE finished_at IS NULL;
COMMENT ON TABLE audits IS 'Audits that somebody asked for over HTTP: the latest ones, with their results.';
COMMENT ON COLUMN audits.sample IS 'Edges that are recounted, at random.';
COMMENT ON COLUMN audits.process IS 'The worker that ran it, or runs it. The worker holds the lock AUDIT meanwhile.';

-- Secrets ------------------------------------------------------------------------------------------------------------

CREATE TABLE secrets (
  name text PRIMARY KEY,
  secret bytea NOT NULL CHECK (octet_length(secret) BETWEEN 32 AND 64)
);
COMMENT ON TABLE secrets IS 'What the processes of this database share and nobody else knows. A process reads it once.';
COMMENT ON COLUMN secrets.name IS
'cache: the key of the MACs on answers that are cached in Redis. graph: which database this is, and of which graph. '
'erasures: the key of the hashes of forgotten handles.';
-- Each UUID has 122 bits from the random generator of the operating system.
INSERT INTO secrets (name, secret)
VALUES
  ('cache', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))),
  ('erasures', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

-- Keys and graphs -------------------------------------------------------------------------------------------------------

CREATE TABLE keys (
  id text PRIMARY KEY CHECK (id ~ '^[0-9A-Za-z]{8}$'),
  owner text NOT NULL CHECK (length(owner) BETWEEN 1 AND 64),
  token_sha256 bytea NOT NULL CHECK (octet_length(token_sha256) = 32),
  scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
  graphs text[] CHECK (cardinality(graphs) > 0),
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  revoked_at timestamptz
);
COMMENT ON TABLE keys IS 'Who may do what. The table is used in the database of the graph `default` alone.';
COMMENT ON COLUMN keys.token_sha256 IS 'SHA-256 of the whole token. The token itself is shown once and kept nowhere.';
COMMENT ON COLUMN keys.graphs IS 'Names of the graphs that the key is for. NULL: all graphs.';
COMMENT ON COLUMN keys.expires_at IS 'NULL: the key does not expire.';
CREATE INDEX keys_owner ON keys (owner);

CREATE TABLE graphs (
  name text PRIMARY KEY CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$' AND name <> 'default'),
  state text NOT NULL CHECK (state IN ('creating', 'ready', 'dropping')),
  database text UNIQUE CHECK (length(database) BETWEEN 1 AND 63),
  database_url text UNIQUE,
  half_life interval CHECK (half_life > interval '0'),
  shards smallint NOT NULL CHECK (shards IN (1, 2, 4, 8, 16, 32, 64)),
  profile text,
  days_kept integer CHECK (days_kept >= 0),
  retention_days integer CHECK (retention_days >= 1),
  quota_bytes bigint CHECK (quota_bytes > 0),
  created_at timestamptz NOT NULL,
  CONSTRAINT graphs_are_somewhere CHECK ((database IS NULL) <> (database_url IS NULL))
);
COMMENT ON TABLE graphs IS
'Every graph but `default`, a database each. The table is used in the database of the graph `default` alone.';
COMMENT ON COLUMN graphs.database IS
'Name of a database on the server that holds `default`. It stays when the graph is renamed.';
COMMENT ON COLUMN graphs.database_url IS 'Address of a database on another server.';
COMMENT ON COLUMN graphs.half_life IS 'NULL: weights do not decay. graph_parameters of the database says the same.';
COMMENT ON COLUMN graphs.profile IS 'Mention profile of uploads that name none. NULL: as the service has it.';
COMMENT ON COLUMN graphs.days_kept IS 'NULL: as the service has it. Likewise retention_days and quota_bytes.';
COMMENT ON COLUMN graphs.quota_bytes IS 'Uploads are refused while the database is larger than this.';

CREATE TABLE audit_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  action text NOT NULL,
  subject text,
  outcome text NOT NULL CHECK (outcome IN ('done', 'denied')),
  key_id text,
  owner text,
  address text,
  process text NOT NULL DEFAULT current_setting('application_name'),
  detail jsonb
);
COMMENT ON TABLE audit_events IS
'Append-only: who did or was denied what. Those of a graph are in its database, those of keys and graphs in `default`.';
COMMENT ON COLUMN audit_events.owner IS
'Owner of the key; without a key, the account of the operating system that ran a command, as `os:name`.';
CREATE INDEX audit_events_at ON audit_events (at DESC, id DESC);

CREATE FUNCTION keep_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('mentiongraph.forgets_audit_events', true) = 'on' THEN
    IF OLD.at < clock_timestamp() - interval '1 day' THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'audit_events is append-only'
  USING ERRCODE = 'insufficient_privilege', HINT = 'MENTIONGRAPH_AUDIT_RETENTION_DAYS says how long events stay.';
END;
$$;
CREATE TRIGGER audit_events_stay BEFORE UPDATE OR DELETE ON audit_events
FOR EACH ROW EXECUTE FUNCTION keep_audit_events();
CREATE TRIGGER audit_events_stay_together BEFORE TRUNCATE ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_events();

-- A role may have the right to call this without the right to delete events.
CREATE FUNCTION forget_audit_events(before timestamptz, denials integer, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  forgotten bigint;
  latest timestamptz := clock_timestamp() - interval '1 day';
BEGIN
  PERFORM set_config('mentiongraph.forgets_audit_events', 'on', true);
  DELETE FROM audit_events WHERE id IN (
    SELECT e.id FROM audit_events AS e
    WHERE
      e.at < latest
      AND (
        e.at < before
        OR (e.outcome = 'denied' AND e.id <= (
          SELECT d.id FROM audit_events AS d WHERE d.outcome = 'denied' ORDER BY d.id DESC OFFSET denials LIMIT 1
        ))
      )
    ORDER BY e.at, e.id
    LIMIT most
  );
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  PERFORM set_config('mentiongraph.forgets_audit_events', 'off', true);
  IF forgotten > 0 THEN
    INSERT INTO audit_events (action, outcome, key_id, owner, address, detail)
    VALUES (
      'audit.forget', 'done', nullif(current_setting('mentiongraph.key_id', true), ''),
      nullif(current_setting('mentiongraph.owner', true), ''),
      nullif(current_setting('mentiongraph.address', true), ''),
      jsonb_build_object('events', forgotten, 'before', before)
    );
  END IF;
  RETURN forgotten;
END;
$$;

-- Forgotten people ----------------------------------------------------------------------------------------------------

CREATE TABLE erasures (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  handle_hmac bytea CHECK (octet_length(handle_hmac) = 32),
  keep_out boolean NOT NULL DEFAULT false,
  began_at timestamptz NOT NULL,
  finished_at timestamptz,
  mentions bigint NOT NULL DEFAULT 0 CHECK (mentions >= 0),
  mentions_purged bigint NOT NULL DEFAULT 0 CHECK (mentions_purged >= 0),
  deltas integer NOT NULL DEFAULT 0 CHECK (deltas >= 0),
  payloads integer NOT NULL DEFAULT 0 CHECK (payloads >= 0),
  payloads_dropped integer NOT NULL DEFAULT 0 CHECK (payloads_dropped >= 0),
  rejects bigint NOT NULL DEFAULT 0 CHECK (rejects >= 0),
  texts bigint NOT NULL DEFAULT 0 CHECK (texts >= 0),
  key_id text DEFAULT nullif(current_setting('mentiongraph.key_id', true), ''),
  owner text DEFAULT nullif(current_setting('mentiongraph.owner', true), ''),
  address text DEFAULT nullif(current_setting('mentiongraph.address', true), ''),
  step text,
  step_done integer NOT NULL DEFAULT 0,
  step_total integer NOT NULL DEFAULT 0,
  moved_at timestamptz,
  CONSTRAINT handles_are_known_while_they_matter CHECK (
    handle_hmac IS NOT NULL OR (finished_at IS NOT NULL AND NOT keep_out)
  )
);
COMMENT ON TABLE erasures IS 'A row for each person who was forgotten, with numbers and no handle.';
COMMENT ON COLUMN erasures.handle_hmac IS
'HMAC-SHA256 of the folded handle under the secret `erasures`. NULL: finished, and the handle may come again.';
COMMENT ON COLUMN erasures.mentions IS 'Mentions that were taken out of batches and their deltas.';
COMMENT ON COLUMN erasures.mentions_purged IS
'Mentions that were taken out of the graph alone: the deltas of their batches were purged, and the batches count them.';
COMMENT ON COLUMN erasures.payloads IS 'Payloads that were rewritten without the person.';
COMMENT ON COLUMN erasures.payloads_dropped IS
'Payloads that could not be rewritten so that they count the same for everybody else.';
COMMENT ON COLUMN erasures.step IS 'What is, or was last, rewritten: payloads, deltas, edges or texts.';
COMMENT ON COLUMN erasures.step_done IS 'How much of the step is done, of step_total.';
COMMENT ON COLUMN erasures.moved_at IS 'When step and step_done were written.';
CREATE UNIQUE INDEX erasures_handle ON erasures (handle_hmac);

-- Migrations ---------------------------------------------------------------------------------------------------------

CREATE TABLE schema_compatibility (
  migration text PRIMARY KEY,
  oldest_release text NOT NULL CHECK (oldest_release ~ '^[0-9]+(\.[0-9]+)*$')
);
COMMENT ON TABLE schema_compatibility IS
'The oldest release whose processes run on the schema after a migration. Each migration from this one on adds its row.';
INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0003_schema_compatibility', '0.1');
