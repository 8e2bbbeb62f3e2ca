-- Takes the period for this claim, if nobody has worked it: the period is later than the last one, or the claim on it
-- has expired, since its worker was killed. Locks: the actor's row; of several claims at one instant one inserts or
-- locks the row, and the others wait and then see its claim. Rows: one; zero where the period is worked already, or
-- claimed by another.
INSERT INTO periods AS p (actor, period, claim, claimed_until)
VALUES (%(actor)s::text, %(period)s::timestamptz, %(claim)s::uuid, %(claimed_until)s::timestamptz)
ON CONFLICT (actor) DO UPDATE SET
  period = greatest(p.period, excluded.period), claim = excluded.claim, claimed_until = excluded.claimed_until,
  finished_at = NULL
WHERE
  p.claimed_until <= %(now)s::timestamptz
  OR (p.finished_at IS NOT NULL AND p.period < excluded.period)
RETURNING p.actor, p.period AS start, p.claim AS token;
