-- factum: what became of a transaction, and whether the server has lived on; see hello.sql.
select
    pg_xact_status($1::xid8) as status,
    pg_postmaster_start_time()::text
        || '/' || coalesce(pg_stat_get_bgwriter_stat_reset_time()::text, '') as life
