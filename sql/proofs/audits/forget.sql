-- Forgets all audits but the newest `kept`. Locks: their rows. Rows: none.
DELETE FROM audits
WHERE finished_at IS NOT NULL AND id NOT IN (SELECT a.id FROM audits AS a ORDER BY a.id DESC LIMIT %(kept)s::integer);
