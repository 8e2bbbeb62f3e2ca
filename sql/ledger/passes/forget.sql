-- Forgets passes that began long ago. Locks: their rows. Rows: none.
DELETE FROM passes WHERE began_at < %(before)s::timestamptz;
