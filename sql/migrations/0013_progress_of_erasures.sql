-- Whoever asks can see how far forgetting a person is.
-- depends: 0012_erasures
-- oldest-release: 0.1
-- locks: erasures, for a moment
-- rewrites: nothing

ALTER TABLE erasures
  ADD COLUMN step text,
  ADD COLUMN step_done integer NOT NULL DEFAULT 0,
  ADD COLUMN step_total integer NOT NULL DEFAULT 0,
  ADD COLUMN moved_at timestamptz;
COMMENT ON COLUMN erasures.step IS 'What is, or was last, rewritten: payloads, deltas, edges or texts.';
COMMENT ON COLUMN erasures.step_done IS 'How much of the step is done, of step_total.';
COMMENT ON COLUMN erasures.moved_at IS 'When step and step_done were written.';

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0013_progress_of_erasures', '0.1');
