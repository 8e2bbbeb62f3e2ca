-- Audit events that may hold a text (see forgetting/texts/rejects). Locks: none. Rows: one for each event.
SELECT id, subject, detail FROM audit_events
WHERE strpos(lower(subject), %(needle)s::text) > 0 OR strpos(lower(detail::text), %(needle)s::text) > 0
ORDER BY id;
