-- Marks a period as worked. Locks: the actor's row. Rows: none; an update of no row says that another claim superseded
-- this one.
UPDATE periods SET claim = NULL, claimed_until = NULL, finished_at = %(now)s::timestamptz
WHERE actor = %(actor)s::text AND claim = %(claim)s::uuid;
