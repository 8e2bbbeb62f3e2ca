-- Tells whether a decay run as of a later instant has archived edges. Locks: none. Rows: one.
SELECT EXISTS(
  SELECT FROM decay_runs WHERE as_of > %(archived_after)s::timestamptz AND archived > 0
) AS archived_since;
