-- factum: how far readers may read. Two statements in this order, and the reading comes as a third (see fence.rs).
create function factum.bounds(out bound bigint, out pending bigint, out clock bigint)
language plpgsql volatile
as $$
begin
    select coalesce(max(e.position), 0) into bound from factum.event e;
    -- The lock names the low 32 bits of a position; the bound is near enough to tell the high ones.
    select min(bound + (((l.objid::bigint - bound) & 4294967295) + 2147483648) % 4294967296 - 2147483648)
    into pending
    from pg_catalog.pg_locks l
    where l.locktype = 'advisory' and l.granted and l.objsubid = 2
        and l.classid = 'factum.position'::regclass::oid
        and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database());
    clock := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
end
$$
