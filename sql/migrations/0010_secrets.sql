-- Keep the secret by which the API knows the answers that it cached in Redis. Nobody else can make or change one.
-- depends: 0009_bounded_rejects
-- oldest-release: 0.1
-- locks: nothing
-- rewrites: nothing

CREATE TABLE secrets (
  name text PRIMARY KEY,
  secret bytea NOT NULL CHECK (octet_length(secret) BETWEEN 32 AND 64)
);
COMMENT ON TABLE secrets IS 'What the processes of this database share and nobody else knows. A process reads it once.';
COMMENT ON COLUMN secrets.name IS 'cache: the key of the MACs on answers that are cached in Redis.';
-- Each UUID has 122 bits from the random generator of the operating system.
INSERT INTO secrets (name, secret)
VALUES ('cache', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0010_secrets', '0.1');
