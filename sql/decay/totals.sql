-- What a run did so far. One row.
SELECT
  coalesce(sum(written_down), 0)::bigint AS written_down, coalesce(sum(archived), 0)::bigint AS archived,
  count(*) FILTER (WHERE done)::integer AS shards_done
FROM decay_cursors WHERE run_id = %(run_id)s::bigint;
