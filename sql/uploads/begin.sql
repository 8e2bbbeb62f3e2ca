-- staged -> applying, with the first claim of one of its batches. Zero rows: it began already.
UPDATE uploads SET state = 'applying' WHERE id = %(id)s::uuid AND state = 'staged' RETURNING id;
