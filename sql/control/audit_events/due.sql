-- The number of events from before an instant, without those of the last day. Locks: none. Rows: one.
SELECT count(*) AS events FROM audit_events
WHERE at < least(%(before)s::timestamptz, clock_timestamp() - interval '1 day');
