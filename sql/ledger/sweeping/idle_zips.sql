-- Zips that nobody finished though all their members are: a worker of an earlier release finished the last one. Locks:
-- none. Rows: one for each zip.
SELECT p.id FROM uploads AS p
WHERE
  p.finished_at IS NULL AND p.members IS NOT NULL
  AND NOT EXISTS (SELECT FROM uploads AS m WHERE m.parent_id = p.id AND m.finished_at IS NULL)
ORDER BY p.id;
