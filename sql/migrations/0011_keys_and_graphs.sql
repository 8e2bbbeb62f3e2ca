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
