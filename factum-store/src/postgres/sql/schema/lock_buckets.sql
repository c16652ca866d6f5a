-- factum: takes tag buckets, in their order, each once: shared by appends, exclusive by what expects no change.
create function factum.lock_buckets(p_shared integer[], p_exclusive integer[]) returns void
language plpgsql volatile
as $$
declare
    v_class constant integer := 'factum.tag'::regclass::oid::integer;
    v_bucket record;
begin
    if cardinality(p_exclusive) > 0 and current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'an expectation of "unchanged" needs a transaction of isolation "read committed"'
            using errcode = 'FC002';
    end if;
    for v_bucket in
        select b.bucket, bool_or(b.is_exclusive) as is_exclusive
        from (
            select unnest(p_shared) as bucket, false as is_exclusive
            union all
            select unnest(p_exclusive), true
        ) b
        group by b.bucket order by b.bucket
    loop
        if v_bucket.is_exclusive then
            perform pg_advisory_xact_lock(v_class, v_bucket.bucket);
        else
            perform pg_advisory_xact_lock_shared(v_class, v_bucket.bucket);
        end if;
    end loop;
end
$$
