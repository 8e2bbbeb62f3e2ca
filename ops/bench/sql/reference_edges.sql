-- {values}: seven parameters for each edge of up to a thousand.
INSERT INTO bench.reference_edges AS e (
  source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen
) VALUES {values}
ON CONFLICT (source_id, target_id) DO UPDATE SET
  mention_count = e.mention_count + excluded.mention_count, weight = e.weight + excluded.weight,
  weighed_at = greatest(e.weighed_at, excluded.weighed_at), first_seen = least(e.first_seen, excluded.first_seen),
  last_seen = greatest(e.last_seen, excluded.last_seen);
