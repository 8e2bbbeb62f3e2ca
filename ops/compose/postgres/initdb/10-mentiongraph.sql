-- Run once, by the image, in a new cluster: the role that the application uses owns its database and nothing else.
-- It is no superuser: what it could do to the rest of the cluster is nothing.
\set password `cat /run/secrets/database_password`
CREATE ROLE mentiongraph LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE mentiongraph OWNER mentiongraph;
REVOKE ALL ON DATABASE mentiongraph FROM PUBLIC;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
