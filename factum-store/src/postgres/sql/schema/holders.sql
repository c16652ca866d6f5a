-- factum: who holds readers up: transactions that have appended and not ended, the oldest first.
create function factum.holders(
    out held_at bigint, out pid integer, out prepared text, out seconds double precision, out query text,
    out application text
) returns setof record
language sql volatile
as $$
    with bound as (select coalesce(max(e.position), 0) as at from factum.event e)
    select
        b.at + (((l.objid::bigint - b.at) & 4294967295) + 2147483648) % 4294967296 - 2147483648,
        l.pid,
        p.gid,
        extract(epoch from clock_timestamp() - coalesce(a.xact_start, p.prepared))::double precision,
        left(a.query, 200),
        a.application_name
    from bound b, pg_catalog.pg_locks l
    left join pg_catalog.pg_stat_activity a on a.pid = l.pid
    -- A prepared transaction has no process; it is known by the lock on its own number.
    left join pg_catalog.pg_locks x
        on l.pid is null and x.pid is null and x.locktype = 'transactionid' and x.granted
        and x.virtualtransaction = l.virtualtransaction
    left join pg_catalog.pg_prepared_xacts p on p.transaction = x.transactionid
    where l.locktype = 'advisory' and l.granted and l.objsubid = 2
        and l.classid = 'factum.position'::regclass::oid
        and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
    order by 1, 4 desc nulls last
$$
