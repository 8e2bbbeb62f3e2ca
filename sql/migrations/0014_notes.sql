-- An upload has a note, which people write and change.
-- depends: 0013_progress_of_erasures
-- oldest-release: 0.1
-- locks: uploads, for a moment
-- rewrites: nothing

ALTER TABLE uploads ADD COLUMN note text CONSTRAINT notes_are_short CHECK (length(note) BETWEEN 1 AND 500);
COMMENT ON COLUMN uploads.note IS 'What people say of the upload. NULL: nothing.';

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0014_notes', '0.1');
