-- A batch keeps what its count noticed, so that its upload can be warned of. Batches counted before say NULL.
-- depends: 0006_archives
-- oldest-release: 0.1
-- locks: batches, for a moment
-- rewrites: nothing

ALTER TABLE batches ADD COLUMN warnings jsonb;
COMMENT ON COLUMN batches.warnings IS
'By code what the count noticed: a number, first lines, an example. NULL: nothing, or an earlier release counted it.';

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0007_warnings', '0.1');
