-- Handles at the ends of edges, the edges drawn at random: a user comes as often as there are edges at it.
SELECT s.handle AS source, t.handle AS target
FROM (SELECT source_id, target_id FROM edges TABLESAMPLE BERNOULLI (%(percent)s) REPEATABLE (7)) AS e
INNER JOIN users AS s ON s.id = e.source_id
INNER JOIN users AS t ON t.id = e.target_id
ORDER BY md5(s.handle || ' ' || t.handle)
LIMIT %(limit)s;
