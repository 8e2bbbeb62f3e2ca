-- The versions of every part, as graph/versions/vector has them, and the latest instant at which a merged mention
-- counts. Locks: none. Rows: one.
SELECT
  coalesce(string_agg(part || ':' || version, ' ' ORDER BY part), '') AS vector, max(last_mention) AS last_mention
FROM graph_versions;
