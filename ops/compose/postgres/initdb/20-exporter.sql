-- Run once, by the image, in a new cluster: the role of the exporter of the profile `watch`, which reads statistics alone.
-- In a cluster that was made before: docs/how-to/watch-the-service.md.
\set password `cat /run/secrets/postgres_exporter_password`
CREATE ROLE exporter LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 5 IN ROLE pg_monitor PASSWORD :'password';
GRANT CONNECT ON DATABASE mentiongraph TO exporter;
