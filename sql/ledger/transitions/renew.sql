-- These claims live on: their batches are being worked on.
UPDATE batches SET claimed_until = %(claimed_until)s::timestamptz
WHERE claim = ANY(%(tokens)s::uuid[]) AND state = 'staged';
