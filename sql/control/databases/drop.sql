-- The statement that drops a database, whoever is connected to it. Locks: none. Rows: one.
SELECT format('DROP DATABASE IF EXISTS %%I WITH (FORCE)', %(database)s::text) AS statement;
