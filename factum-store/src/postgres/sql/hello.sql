-- factum: a new connection's settings, and whether the server keeps what it acknowledges.
select
    set_config('statement_timeout', $1, false),
    set_config('idle_in_transaction_session_timeout', $2, false),
    set_config('lock_timeout', $3, false),
    set_config('default_transaction_read_only', $4, false),
    set_config('plan_cache_mode', $5, false),
    set_config('enable_seqscan', coalesce($6, current_setting('enable_seqscan')), false),
    current_setting('fsync') as fsync,
    current_setting('synchronous_commit') as synchronous_commit,
    current_setting('server_version_num')::integer as version,
    pg_is_in_recovery() as is_replica,
    -- Changes when the server starts, and when it recovers from the death of one of its processes.
    pg_postmaster_start_time()::text
        || '/' || coalesce(pg_stat_get_bgwriter_stat_reset_time()::text, '') as life,
    -- Changes when the store is restored, copied or failed over; as cluster_read.sql tells it.
    case when not pg_is_in_recovery() then
        (select s.system_identifier::text from pg_control_system() s)
            || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
            || '/' || (select d.oid::text from pg_catalog.pg_database d where d.datname = current_database())
    end as identity,
    pg_backend_pid() as pid,
    (select a.backend_start::text from pg_catalog.pg_stat_activity a where a.pid = pg_backend_pid()) as started
