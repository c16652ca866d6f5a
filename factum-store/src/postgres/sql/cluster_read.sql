-- factum: where the store was last written to, and where it is now.
select
    (select c.identity from factum.cluster c) as was,
    (select s.system_identifier::text from pg_control_system() s)
        || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
        || '/' || (select d.oid::text from pg_catalog.pg_database d where d.datname = current_database()) as now
