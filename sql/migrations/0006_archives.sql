-- A zip with several files is one upload whose members are uploads, too.
-- depends: 0005_post_ids
-- oldest-release: 0.1
-- locks: uploads, while its rows are checked once and its index is built
-- rewrites: nothing

-- No row has a parent yet, so checking the key costs a look at the rows and nothing else.
-- squawk-ignore adding-foreign-key-constraint
ALTER TABLE uploads ADD COLUMN parent_id uuid CONSTRAINT members_have_a_parent REFERENCES uploads (id);
ALTER TABLE uploads
ADD COLUMN members integer CONSTRAINT parents_have_members CHECK (members > 0)
CONSTRAINT parents_have_no_parent CHECK (parent_id IS NULL OR members IS NULL);
COMMENT ON COLUMN uploads.parent_id IS 'The zip that held the file. NULL: the file came by itself.';
COMMENT ON COLUMN uploads.members IS 'Files of posts in a zip, each an upload. NULL: the upload is a file.';
CREATE INDEX uploads_members ON uploads (parent_id, id) WHERE parent_id IS NOT NULL;

-- A zip counts nothing by itself. The same zip may come again after one of its members was retracted.
-- The transaction that drops the index builds the next one, so nothing comes between.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX uploads_same_bytes;
CREATE UNIQUE INDEX uploads_same_bytes ON uploads (sha256)
WHERE NOT again AND members IS NULL AND state IN ('staged', 'applying', 'applied', 'failed') AND error IS NULL;

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0006_archives', '0.1');
