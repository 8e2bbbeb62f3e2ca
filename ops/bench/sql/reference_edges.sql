-- {values}: (%s, %s, %s, %s) for each edge of up to a thousand.
INSERT INTO bench.reference_edges AS e (source_id, target_id, weight, last_seen) VALUES {values}
ON CONFLICT (source_id, target_id) DO UPDATE SET
  weight = e.weight + excluded.weight, last_seen = greatest(e.last_seen, excluded.last_seen);
