-- Lets the role take numbers from every sequence, and read it for a backup. Locks: none. Rows: none.
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO mentiongraph;
