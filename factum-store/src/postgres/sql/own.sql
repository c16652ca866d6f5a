-- factum: the tables of Factum's own.
select c.oid from pg_catalog.pg_class c where c.relnamespace = $1::regnamespace
