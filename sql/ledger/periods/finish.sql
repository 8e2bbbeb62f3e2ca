-- The period was worked. Zero rows: the claim was superseded.
UPDATE periods SET claim = NULL, claimed_until = NULL, finished_at = %(now)s::timestamptz
WHERE actor = %(actor)s::text AND claim = %(claim)s::uuid;
