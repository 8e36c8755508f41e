-- Two roles of PostgreSQL: «factureya_owner» owns the tables and migrates, «factureya» is the program's and has no DDL.
-- Run it once, as a superuser of the cluster (docs/operations.md, Two roles):
--   OWNER_PASSWORD=… PROGRAM_PASSWORD=… psql -v ON_ERROR_STOP=1 -f docs/database-roles.sql
-- The container of compose.yaml runs it when its volume is empty. `manage.py migrate` grants the rest.
\getenv owner_password OWNER_PASSWORD
\getenv program_password PROGRAM_PASSWORD
CREATE ROLE factureya_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE factureya LOGIN PASSWORD :'program_password';
CREATE DATABASE factureya OWNER factureya_owner;
REVOKE ALL ON DATABASE factureya FROM PUBLIC;
GRANT CONNECT ON DATABASE factureya TO factureya;
\connect factureya
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
