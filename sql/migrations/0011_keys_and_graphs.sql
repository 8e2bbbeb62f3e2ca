-- Keys say who may do what, graphs are listed, and the ledger says who did what.
-- depends: 0010_secrets
-- oldest-release: 0.1
-- locks: uploads, ledger_events, idempotency_keys, for a moment; uploads, while an index is built
-- rewrites: nothing

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

-- A transaction says by these settings for whom it works (app/store/postgres.py: act_for).
ALTER TABLE uploads ADD COLUMN key_id text;
ALTER TABLE uploads ALTER COLUMN key_id SET DEFAULT nullif(current_setting('mentiongraph.key_id', true), '');
ALTER TABLE uploads ADD COLUMN owner text;
ALTER TABLE uploads ALTER COLUMN owner SET DEFAULT nullif(current_setting('mentiongraph.owner', true), '');
ALTER TABLE uploads ADD COLUMN address text;
ALTER TABLE uploads ALTER COLUMN address SET DEFAULT nullif(current_setting('mentiongraph.address', true), '');
CREATE INDEX uploads_owner ON uploads (owner, received_at DESC, id DESC) WHERE owner IS NOT NULL;
ALTER TABLE ledger_events ADD COLUMN key_id text;
ALTER TABLE ledger_events ALTER COLUMN key_id SET DEFAULT nullif(current_setting('mentiongraph.key_id', true), '');
ALTER TABLE ledger_events ADD COLUMN owner text;
ALTER TABLE ledger_events ALTER COLUMN owner SET DEFAULT nullif(current_setting('mentiongraph.owner', true), '');
ALTER TABLE ledger_events ADD COLUMN address text;
ALTER TABLE ledger_events ALTER COLUMN address SET DEFAULT nullif(current_setting('mentiongraph.address', true), '');
-- Whoever sends an upload enters the upload and its batches, and takes the upload from `receiving` to `staged` or
-- `duplicate`. So these events are the sender's, and their transactions need not say for whom they work.
CREATE OR REPLACE FUNCTION record_upload_state() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION record_batch_state() RETURNS trigger LANGUAGE plpgsql AS $$
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

COMMENT ON COLUMN uploads.key_id IS
'Key of the request that sent it. NULL: it came without a key. Likewise owner and address.';
COMMENT ON COLUMN ledger_events.key_id IS
'Key of the request that caused it. NULL: a worker did, or there was no key. Likewise owner and address.';

-- Weights of a graph need not decay. Earlier releases know `default` alone, whose weights do.
-- squawk-ignore ban-drop-not-null
ALTER TABLE graph_parameters ALTER COLUMN half_life DROP NOT NULL;
COMMENT ON COLUMN secrets.name IS
'cache: the key of the MACs on answers that are cached in Redis. graph: which database this is, and of which graph.';
COMMENT ON COLUMN graph_parameters.half_life IS 'NULL: weights do not decay.';

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0011_keys_and_graphs', '0.1');
