-- Fixes half-life and shards of a graph that holds nothing yet. Locks: the row. Rows: none.
UPDATE graph_parameters SET half_life = %(half_life)s::interval, shards = %(shards)s::smallint
WHERE NOT EXISTS (SELECT FROM uploads) AND NOT EXISTS (SELECT FROM edges);
