-- factum: appends of many callers in one round trip, with a verdict for each; see postgres/append.rs.
-- Locks streams first, in the order of their names, fences last, then writes. Whatever is out of the ordinary (a known
-- id, a closed stream, one that somebody makes at the same time) fails as a whole, and is then done by `write`.
create or replace function factum.append(
    p_stream text[], p_expected bigint[], p_count integer[], p_bucket integer[],
    p_event_append integer[], p_event_type integer[], p_event_time bigint[], p_event_sum bigint[],
    p_event_id uuid[], p_event_meta bytea[], p_event_data bytea[],
    p_tag_event integer[], p_tag_hash bigint[],
    out o_version bigint[], out o_position bigint[], out o_actual bigint[]
)
language plpgsql volatile
as $$
declare
    v_appends constant integer := cardinality(p_stream);
    v_events constant integer := cardinality(p_event_id);
    v_stream bigint[];
    v_base bigint[];
    v_position bigint[];
    v_id bigint;
    v_version bigint;
    v_bucket integer;
    v_fence bigint;
    v_taken integer := 0;
    v_given integer := 0;
begin
    if current_setting('synchronous_commit') = 'off' then
        raise exception 'synchronous_commit is off here: what was acknowledged could be lost'
            using errcode = 'FC003';
    end if;

    -- Locks. Buckets come sorted, and so do streams.
    foreach v_bucket in array p_bucket loop
        perform pg_advisory_xact_lock_shared('factum.tag'::regclass::oid::integer, v_bucket);
    end loop;
    o_version := array_fill(null::bigint, array[v_appends]);
    for i in 1 .. v_appends loop
        if p_expected[i] <> 0 then
            update factum.stream s set version = s.version + p_count[i]
            where s.name = p_stream[i] and (p_expected[i] = -1 or s.version = p_expected[i]) and not s.is_closed
            returning s.id, s.version into v_id, v_version;
            if found then
                v_stream[i] := v_id;
                o_version[i] := v_version;
                v_taken := v_taken + p_count[i];
            end if;
        end if;
    end loop;
    -- Streams that are not there yet come after all that are: whoever waits here is waited for by nobody.
    if v_taken < v_events then
        for i in 1 .. v_appends loop
            if o_version[i] is null then
                v_id := null;
                if p_expected[i] <= 0 then
                    insert into factum.stream (name, version) values (p_stream[i], p_count[i])
                    on conflict (name) do nothing returning id into v_id;
                end if;
                if v_id is not null then
                    v_stream[i] := v_id;
                    o_version[i] := p_count[i];
                    v_taken := v_taken + p_count[i];
                else
                    select s.version into v_version from factum.stream s where s.name = p_stream[i];
                    v_version := coalesce(v_version, 0);
                    if p_expected[i] = -1 or p_expected[i] = v_version then
                        raise exception 'a stream is closed, or was made or moved on at the same time' using errcode = 'FC001';
                    end if;
                    -- Known ids answer as the first time, whatever is expected.
                    if exists (
                        select from factum.event e
                        where e.id = any (p_event_id[v_given + 1 : v_given + p_count[i]])
                    ) then
                        raise exception 'events of this append are recorded' using errcode = 'FC001';
                    end if;
                    o_actual := coalesce(o_actual, o_version);
                    o_actual[i] := v_version;
                end if;
            end if;
            v_given := v_given + p_count[i];
        end loop;
    end if;
    if v_taken = 0 then
        return;
    end if;

    -- The fence, as late as can be: it names a position that every one drawn from here on is above. Read by the
    -- function: a plain select may meet the sequence half-way through a draw, when it is ahead of itself.
    v_fence := coalesce(pg_sequence_last_value('factum.position'), 0);
    if not pg_try_advisory_xact_lock_shared(
        'factum.position'::regclass::oid::integer,
        ((v_fence + 2147483648) % 4294967296 - 2147483648)::integer
    ) then
        raise exception 'the fence was locked by hand' using errcode = 'FC001';
    end if;
    if v_events = 1 then
        insert into factum.event (position, stream_id, version, time, sum, type_id, id, meta, data)
        values (
            nextval('factum.position'), v_stream[1], o_version[1], p_event_time[1], p_event_sum[1], p_event_type[1],
            p_event_id[1], p_event_meta[1], p_event_data[1]
        )
        returning position into v_id;
        v_position[1] := v_id;
        o_position := v_position;
    else
        select array_agg(nextval('factum.position')) into v_position from generate_series(1, v_events);
        v_given := 0;
        for i in 1 .. v_appends loop
            v_base[i] := o_version[i] - p_count[i] - v_given;
            v_given := v_given + p_count[i];
            o_position[i] := v_position[v_given];
        end loop;
        insert into factum.event (position, stream_id, version, time, sum, type_id, id, meta, data)
        select e.position, v_stream[e.a], v_base[e.a] + e.o, e.time, e.sum, e.type_id, e.id, e.meta, e.data
        from unnest(
            v_position, p_event_append, p_event_type, p_event_time, p_event_sum, p_event_id, p_event_meta,
            p_event_data
        ) with ordinality as e(position, a, type_id, time, sum, id, meta, data, o)
        where v_base[e.a] is not null;
    end if;
    if cardinality(p_tag_event) > 0 then
        insert into factum.tag (hash, position)
        select t.hash, v_position[t.e] from unnest(p_tag_event, p_tag_hash) as t(e, hash)
        where v_stream[p_event_append[t.e]] is not null;
    end if;
end
$$
