-- Lets the role empty the scratch table of a rebuild. Locks: none. Rows: none.
GRANT TRUNCATE ON edges_shadow TO mentiongraph;
