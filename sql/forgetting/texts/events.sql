-- Events of the ledger whose reason may hold a text (see forgetting/texts/rejects). Locks: none. Rows: one for each.
SELECT id, reason FROM ledger_events WHERE strpos(lower(reason::text), %(needle)s::text) > 0 ORDER BY id;
