-- factum: which server, on which of its timelines, and which database this is; as cluster_read.sql tells it, nothing on a
-- replica.
select
    case when not pg_is_in_recovery() then
        (select s.system_identifier::text from pg_control_system() s)
            || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
            || '/' || (select d.oid::text from pg_catalog.pg_database d where d.datname = current_database())
    end
