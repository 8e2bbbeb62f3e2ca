-- The versions of every part that was ever changed, as one text, which differs whenever the graph does. Locks: none.
-- Rows: one.
SELECT coalesce(string_agg(part || ':' || version, ' ' ORDER BY part), '') AS vector FROM graph_versions;
