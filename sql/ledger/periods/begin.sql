-- Take the period for this claim, if nobody has worked it: a later one than the last, or one whose claim has expired
-- (its worker was killed). Zero rows: worked already, or in other hands. Of several at one instant one inserts or locks
-- the actor's row, and the others wait for it and then see its claim.
INSERT INTO periods AS p (actor, period, claim, claimed_until)
VALUES (%(actor)s::text, %(period)s::timestamptz, %(claim)s::uuid, %(claimed_until)s::timestamptz)
ON CONFLICT (actor) DO UPDATE SET
  period = greatest(p.period, excluded.period), claim = excluded.claim, claimed_until = excluded.claimed_until,
  finished_at = NULL
WHERE
  p.claimed_until <= %(now)s::timestamptz
  OR (p.finished_at IS NOT NULL AND p.period < excluded.period)
RETURNING p.actor, p.period AS start, p.claim AS token;
