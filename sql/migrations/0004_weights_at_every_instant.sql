-- An effective weight is the same before and after a decay run, whatever the instant asked for.
-- depends: 0003_schema_compatibility
-- oldest-release: 0.1
-- locks: nothing
-- rewrites: nothing

-- Exponential decay (Cormode, Shkapenyuk, Srivastava, Xu: Forward Decay, ICDE 2009). The rule is linear in the weight,
-- so neither the order of merges nor the moment of a write-down changes an effective weight. The rule also goes
-- backwards: at an instant before a mention, the mention weighs more than 1. So two weights are in one proportion at
-- every instant. The answer is bounded, since PostgreSQL raises an error where a double is too small or too large: an
-- answer above 1e250 is 1e250, and an answer below 1e-250 is 0. (Above 1e-234 a double loses nothing when 1e-250 is
-- taken off.) The bounds are on the answer, not on the age, so a write-down does not move them. The inner bounds only
-- keep the product finite: for weights from 1e-21 to 1e18 they begin where the answer is out of bounds already. A
-- lighter weight takes the slower way over its logarithm. Each term is computed once, since long lists of edges cost
-- little else. A weight below 0, which is to be taken out, has the answer of its opposite below
-- 0. An edge that is not there has no weight: NULL stays NULL.
CREATE OR REPLACE FUNCTION effective_weight(
  weight double precision, weighed_at timestamptz, at timestamptz, half_life_seconds double precision
) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT sign(weight) * greatest(0, least(1e250, CASE
    WHEN abs(weight) > 1e-21
      THEN abs(weight) * power(2, least(950, greatest(-950, date_part('epoch', weighed_at - at) / half_life_seconds)))
    WHEN weight <> 0
      THEN power(2, least(1000, greatest(
        -1000, ln(abs(weight)) / ln(2::double precision) + date_part('epoch', weighed_at - at) / half_life_seconds
      )))
    ELSE 0
  END) - 1e-250)
$$;

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0004_weights_at_every_instant', '0.1');
