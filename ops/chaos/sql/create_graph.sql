-- Lists a graph beside `default`.
INSERT INTO graphs (name, state, database, half_life, shards, created_at)
VALUES (%(graph)s, 'ready', %(database)s, interval '7 days', 8, now());
