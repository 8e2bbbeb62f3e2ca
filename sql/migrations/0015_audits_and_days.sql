-- Audits that were asked for over HTTP have a place, and so have the mentions of the whole graph by day.
-- depends: 0014_notes
-- oldest-release: 0.1
-- locks: nothing
-- rewrites: nothing

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

CREATE TABLE graph_days (
  day date PRIMARY KEY,
  mentions bigint NOT NULL
);
COMMENT ON TABLE graph_days IS
'Mentions in posts of each day, self-mentions left out; made anew with trending_users.';
UPDATE summaries SET trends_stale_since = coalesce(trends_stale_since, trends_ended_at, ended_at);

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0015_audits_and_days', '0.1');
