-- Counters of what the ledger's transactions did, which never fall, whatever is purged. They begin at 0.
-- depends: 0013_progress_of_erasures
-- oldest-release: 0.1
-- locks: uploads, for a moment; batches, while an index is built
-- rewrites: nothing

-- Counters of what the ledger's transactions did. Each transaction appends rows of its own. Two transactions that
-- advanced one row would wait for each other, and could not go on where each has locked rows that the other one wants.
-- Triggers append the rows, so that processes of earlier releases are counted, too. A sweep adds them up.

CREATE TABLE metric_counts (
  names text[] NOT NULL,
  amounts double precision[] NOT NULL,
  CONSTRAINT every_name_has_an_amount CHECK (cardinality(names) = cardinality(amounts))
);
COMMENT ON TABLE metric_counts IS
'What transactions added to counters, each a row of its own, until a sweep adds them to metric_totals.';
COMMENT ON COLUMN metric_counts.names IS 'Names of counters: the metric, a slash, and the value of its label if any.';

CREATE TABLE metric_totals (
  name text PRIMARY KEY,
  total double precision NOT NULL CHECK (total >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE metric_totals IS
'The counters, without what waits in metric_counts. They never fall, whatever is purged.';

-- What an observation adds to a histogram: one to the first bucket that holds it, and its seconds to the sum.
CREATE FUNCTION count_seconds(
  histogram text, seconds double precision, bounds double precision[]
) RETURNS TABLE (name text, amount double precision) LANGUAGE sql IMMUTABLE AS $$
  SELECT histogram || '/' || coalesce((SELECT min(b.b)::text FROM unnest(bounds) AS b (b) WHERE b.b >= seconds), 'inf'), 1
  UNION ALL
  SELECT histogram || '/sum', greatest(seconds, 0)
$$;

-- A zip is an upload, and so is each of its files; bytes and times are those of files. An upload may end several times:
-- it is replayed after a failure, or retracted.
CREATE FUNCTION count_upload() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  counted metric_counts;
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO metric_counts (names, amounts) VALUES (ARRAY['upload_begins_total/'], ARRAY[1]);
    RETURN NULL;
  END IF;
  SELECT array_agg(c.name), array_agg(c.amount) INTO counted.names, counted.amounts FROM (
    SELECT 'upload_ends_total/' || NEW.state, 1::double precision
    WHERE NEW.finished_at IS NOT NULL
    UNION ALL
    SELECT 'sealed_bytes_total/', NEW.size_bytes
    WHERE OLD.state = 'receiving' AND NEW.sealed_at IS NOT NULL AND NEW.members IS NULL
    UNION ALL
    SELECT s.* FROM count_seconds(
      'step_duration_seconds.receive', date_part('epoch', NEW.sealed_at - NEW.received_at),
      '{0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900}'
    ) AS s
    WHERE OLD.state = 'receiving' AND NEW.sealed_at IS NOT NULL AND NEW.parent_id IS NULL
    UNION ALL
    SELECT s.* FROM count_seconds(
      'upload_to_applied_seconds', date_part('epoch', NEW.finished_at - NEW.sealed_at),
      '{1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600}'
    ) AS s
    WHERE NEW.state = 'applied' AND NEW.members IS NULL
  ) AS c (name, amount);
  IF counted.names IS NOT NULL THEN
    INSERT INTO metric_counts (names, amounts) VALUES (counted.names, counted.amounts);
  END IF;
  RETURN NULL;
END;
$$;

-- Nothing of a dry run is in the graph, so its rows and mentions are not counted.
CREATE FUNCTION count_batch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  counted metric_counts;
BEGIN
  SELECT array_agg(c.name), array_agg(c.amount) INTO counted.names, counted.amounts FROM (
    SELECT 'batch_ends_total/' || NEW.state, 1::double precision
    WHERE NEW.state IN ('applied', 'failed', 'checked', 'cancelled', 'retracted')
    UNION ALL
    SELECT v.name, v.amount FROM (
      VALUES
      ('rows_total/counted', NEW.rows_accepted - coalesce(NEW.rows_repeated, 0)),
      ('rows_total/repeated', coalesce(NEW.rows_repeated, 0)),
      ('rows_total/rejected', NEW.rows_rejected),
      ('mentions_total/', NEW.mentions)
    ) AS v (name, amount)
    WHERE NEW.state = 'counted' AND v.amount > 0
    UNION ALL
    SELECT s.* FROM count_seconds(
      'step_duration_seconds.count', date_part('epoch', NEW.counted_at - NEW.staged_at),
      '{0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900}'
    ) AS s
    WHERE NEW.state = 'counted'
    UNION ALL
    SELECT s.* FROM count_seconds(
      'step_duration_seconds.merge', date_part('epoch', NEW.applied_at - NEW.counted_at),
      '{0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900}'
    ) AS s
    WHERE OLD.state = 'counted' AND NEW.state = 'applied'
  ) AS c (name, amount);
  IF counted.names IS NOT NULL THEN
    INSERT INTO metric_counts (names, amounts) VALUES (counted.names, counted.amounts);
  END IF;
  RETURN NULL;
END;
$$;

CREATE FUNCTION count_rejects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO metric_counts (names, amounts)
  SELECT array_agg('rejects_total/' || c.key), array_agg(c.value::double precision)
  FROM jsonb_each_text(NEW.reject_codes) AS c
  HAVING count(*) > 0;
  RETURN NULL;
END;
$$;

CREATE TRIGGER uploads_begun_are_counted AFTER INSERT ON uploads
FOR EACH ROW EXECUTE FUNCTION count_upload();
CREATE TRIGGER uploads_are_counted AFTER UPDATE OF state ON uploads
FOR EACH ROW WHEN (
  OLD.state IS DISTINCT FROM NEW.state AND (OLD.state = 'receiving' OR NEW.finished_at IS NOT NULL)
) EXECUTE FUNCTION count_upload();
CREATE TRIGGER batches_are_counted AFTER UPDATE OF state ON batches
FOR EACH ROW WHEN (
  OLD.state IS DISTINCT FROM NEW.state AND NEW.state NOT IN ('staged', 'retracting')
) EXECUTE FUNCTION count_batch();
CREATE TRIGGER rejects_are_counted AFTER UPDATE OF reject_codes ON batches
FOR EACH ROW WHEN (OLD.reject_codes IS NULL AND NEW.reject_codes IS NOT NULL AND NEW.state = 'counted')
EXECUTE FUNCTION count_rejects();

-- Of these, and of staged and failed ones, metrics tell how many there are.
CREATE INDEX batches_counted ON batches (upload_id) WHERE state = 'counted';

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0016_metric_counts', '0.1');
