-- Of these handles, those whose id belongs to another handle: they go on to their next hash. No locks.
SELECT c.position
FROM unnest(%(ids)s::bigint[], %(handles)s::text[]) WITH ORDINALITY AS c (id, handle, position)
INNER JOIN users AS u ON u.id = c.id
WHERE u.handle <> c.handle;
