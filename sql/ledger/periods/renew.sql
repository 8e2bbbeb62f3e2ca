-- Renews claims whose periods are being worked. Locks: the actors' rows. Rows: none.
UPDATE periods SET claimed_until = %(claimed_until)s::timestamptz WHERE claim = ANY(%(tokens)s::uuid[]);
