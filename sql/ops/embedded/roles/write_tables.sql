-- Lets the role change the rows of every table. Locks: none. Rows: none.
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO mentiongraph;
