-- The version of every part that was ever changed, as one text: one row, which differs whenever the graph does.
SELECT coalesce(string_agg(part || ':' || version, ' ' ORDER BY part), '') AS vector FROM graph_versions;
