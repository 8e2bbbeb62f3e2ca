-- People can be forgotten: the ledger says what went, and a keyed hash keeps a handle out of later uploads.
-- depends: 0011_keys_and_graphs
-- oldest-release: 0.1
-- locks: batches, users, for a moment
-- rewrites: nothing

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
CREATE UNIQUE INDEX erasures_handle ON erasures (handle_hmac);

ALTER TABLE batches ADD COLUMN erased_at timestamptz;
COMMENT ON COLUMN batches.erased_at IS
'When the payload was dropped because it held a forgotten person. The batch cannot be replayed or rebuilt from.';
COMMENT ON TABLE users IS
'Rows are only ever added. id is the first of hash(handle, 0), hash(handle, 1), … that no other handle has. A row '
'without a handle keeps the id of a forgotten person, so that all other ids stay.';

COMMENT ON COLUMN secrets.name IS
'cache: the key of the MACs on answers that are cached in Redis. graph: which database this is, and of which graph. '
'erasures: the key of the hashes of forgotten handles.';
INSERT INTO secrets (name, secret)
VALUES ('erasures', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0012_erasures', '0.1');
