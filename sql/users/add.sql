-- Add the users not yet known. Sorted by id, so that two workers adding the same ones cannot deadlock; commits alone,
-- since users are only ever added and nobody but a count refers to them.
INSERT INTO users (id, handle, spelling)
SELECT c.id, c.handle, c.spelling
FROM unnest(%(ids)s::bigint[], %(handles)s::text[], %(spellings)s::text[]) AS c (id, handle, spelling)
WHERE NOT EXISTS (SELECT FROM users AS u WHERE u.id = c.id)
ORDER BY c.id
ON CONFLICT (id) DO NOTHING;
