-- A post that comes with an id counts once, in whatever file it comes: which batch counts it, and which others hold it.
-- depends: 0004_weights_at_every_instant
-- oldest-release: 0.1
-- locks: batches, while its rows are checked once; deltas, while the index of its new primary key is built
-- rewrites: nothing

-- What a batch adds to a shard may come in parts: a post of another batch, once that batch leaves the graph.
ALTER TABLE deltas ADD COLUMN part integer NOT NULL DEFAULT 0 CHECK (part >= 0);
COMMENT ON COLUMN deltas.part IS
'0: what the batch counted. From 1 on: what it counts since another upload left the graph.';
-- The rows without their payloads are small: the index is built in about a second for a million deltas. No statement of
-- a release before names the key.
-- squawk-ignore ban-drop-constraint
ALTER TABLE deltas DROP CONSTRAINT deltas_pkey;
-- squawk-ignore adding-serial-primary-key-field, constraint-missing-not-valid
ALTER TABLE deltas ADD PRIMARY KEY (shard, batch_id, part);

ALTER TABLE batches
ADD COLUMN rows_repeated integer CHECK (rows_repeated >= 0),
ADD COLUMN ids_owned integer CHECK (ids_owned >= 0)
CONSTRAINT rows_with_ids_are_accepted CHECK (rows_repeated + ids_owned <= rows_accepted);
COMMENT ON COLUMN batches.rows_repeated IS
'Accepted rows whose post another row counts. NULL: the upload gives no ids of posts.';
COMMENT ON COLUMN batches.ids_owned IS 'Rows in post_ids that are this batch''s: posts that it counts. NULL: as above.';

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

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0005_post_ids', '0.1');
