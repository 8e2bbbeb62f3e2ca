-- Lets the role vacuum tables, so that nothing of a forgotten person stays in free room. Locks: none. Rows: none.
GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO mentiongraph; -- noqa: PRS
