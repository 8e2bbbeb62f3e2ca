-- Events of the ledger whose reason may hold a text (see forgetting/texts/rejects), a few at a time, after one.
-- Locks: the events' rows. Rows: one for each event, `limit` at most.
SELECT id, reason FROM ledger_events
WHERE id > %(after_id)s::bigint AND strpos(lower(reason::text), %(needle)s::text) > 0
ORDER BY id
LIMIT %(limit)s::integer
FOR NO KEY UPDATE;
