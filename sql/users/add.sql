-- Add users. Sorted by id, so that two workers adding the same ones cannot deadlock; a transaction of its own, since
-- users are only ever added, and nobody but a count refers to them. Fewer rows than given: others were faster.
INSERT INTO users (id, handle, spelling)
SELECT c.id, c.handle, c.spelling
FROM unnest(%(ids)s::bigint[], %(handles)s::text[], %(spellings)s::text[]) AS c (id, handle, spelling)
ORDER BY c.id
ON CONFLICT (id) DO NOTHING;
