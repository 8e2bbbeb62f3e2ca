-- These claims live on: their periods are being worked.
UPDATE periods SET claimed_until = %(claimed_until)s::timestamptz WHERE claim = ANY(%(tokens)s::uuid[]);
