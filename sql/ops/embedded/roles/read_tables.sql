-- Lets the role read every table. Locks: none. Rows: none.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO mentiongraph;
