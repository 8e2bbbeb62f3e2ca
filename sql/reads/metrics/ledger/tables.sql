-- Dead rows of the tables that are written most, as PostgreSQL's statistics have them. Locks: none. Rows: one for each
-- table.
SELECT c.name, pg_stat_get_dead_tuples(c.name::regclass) AS dead_rows
FROM unnest(ARRAY['batches', 'deltas', 'edges', 'ledger_events', 'metric_counts', 'uploads', 'users']) AS c (name);
