-- Renews claims whose batches are being worked on. Locks: the batches' rows. Rows: none.
UPDATE batches SET claimed_until = %(claimed_until)s::timestamptz
WHERE claim = ANY(%(tokens)s::uuid[]) AND state = 'staged';
