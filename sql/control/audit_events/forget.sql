-- Deletes events from before an instant, and the denials that are more than `denials`, the oldest first; none of the
-- last day. An event tells how many. Locks: the events' rows. Rows: one, the number of events deleted, `most` at most.
SELECT forget_audit_events(%(before)s::timestamptz, %(denials)s::integer, %(most)s::integer) AS forgotten;
