-- A page of events, the newest first: those before the event `before`, of the kind that is wanted. An action stands for
-- itself, and its first part for all actions with this first part. Hidden actions are left out. Locks: none. Rows: one
-- an event, `limit` at most.
SELECT e.id, e.at, e.action, e.outcome, e.subject, e.key_id, e.owner, e.address, e.process, e.detail
FROM audit_events AS e
WHERE
  (%(since)s::timestamptz IS NULL OR e.at >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR e.at < %(until)s::timestamptz)
  AND (%(action)s::text IS NULL OR e.action = %(action)s::text OR split_part(e.action, '.', 1) = %(action)s::text)
  AND NOT e.action = ANY(%(hidden)s::text[])
  AND (%(outcome)s::text IS NULL OR e.outcome = %(outcome)s::text)
  AND (%(owner)s::text IS NULL OR e.owner = %(owner)s::text)
  AND (%(key_id)s::text IS NULL OR e.key_id = %(key_id)s::text)
  AND (%(subject)s::text IS NULL OR e.subject = %(subject)s::text)
  AND (
    %(before)s::bigint IS NULL
    OR (e.at, e.id) < (SELECT p.at, p.id FROM audit_events AS p WHERE p.id = %(before)s::bigint)
  )
ORDER BY e.at DESC, e.id DESC
LIMIT %(limit)s::integer;
