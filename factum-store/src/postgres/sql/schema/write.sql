-- factum: appends and records of many units in one round trip, with a verdict for each; see postgres/write.rs.
-- Locks first (buckets, streams, records, each kind in one order), judges in memory, fences last, then writes.
create or replace function factum.write(
    p_units integer,
    p_append_unit integer[], p_append_stream integer[], p_append_expected bigint[], p_append_count integer[],
    p_stream text[],
    p_event_append integer[], p_event_type integer[], p_event_time bigint[], p_event_sum bigint[],
    p_event_id_min uuid, p_event_id uuid[], p_event_meta bytea[], p_event_data bytea[],
    p_tag_event integer[], p_tag_hash bigint[], p_bucket integer[],
    p_record_unit integer[], p_record_kind text[], p_record_id bytea[], p_record_group bytea[],
    p_record_due bigint[], p_record_bytes bytea[],
    p_op_record integer[], p_op_guard bigint[], p_op_is_put boolean[],
    out o_code integer[], out o_index integer[], out o_actual bigint[],
    out o_version bigint[], out o_position bigint[], out o_known text[], out o_xid text
)
language plpgsql volatile
-- A plan made while a table was small must not be kept when it has grown.
set enable_seqscan to off
as $$
declare
    v_appends constant integer := cardinality(p_append_unit);
    v_stream bigint[];
    v_was bigint[];
    v_at bigint[];
    v_closed boolean[];
    v_known_count integer[];
    v_known_first integer[];
    v_shift integer[];
    v_base bigint[];
    v_revision_was bigint[];
    v_revision bigint[];
    v_position bigint[];
    v_given integer := 0;
    v_taken integer := 0;
    v_count integer;
    v_new integer;
    v_fence bigint;
    u integer;
    s integer;
    j integer;
begin
    if current_setting('synchronous_commit') = 'off' then
        raise exception 'synchronous_commit is off here: what was acknowledged could be lost'
            using errcode = 'FC003';
    end if;
    o_code := array_fill(0, array[p_units]);
    o_index := o_code;
    o_actual := array_fill(0::bigint, array[p_units]);

    -- Locks. Buckets come sorted.
    if cardinality(p_bucket) > 0 then
        perform pg_advisory_xact_lock_shared('factum.tag'::regclass::oid::integer, b.bucket)
        from unnest(p_bucket) as b(bucket);
    end if;
    if v_appends > 0 then
        select array_agg(f.id order by w.n), array_agg(coalesce(f.version, 0) order by w.n),
            array_agg(coalesce(f.is_closed, false) order by w.n)
        into v_stream, v_was, v_closed
        from unnest(p_stream) with ordinality as w(name, n)
        left join (
            select t.id, t.name, t.version, t.is_closed from factum.stream t
            where t.name = any (p_stream) order by t.name for no key update
        ) f on f.name = w.name;
        v_at := v_was;
        o_version := array_fill(null::bigint, array[v_appends]);
        o_position := o_version;
        v_shift := array_fill(null::integer, array[v_appends]);
        v_base := o_version;
        -- Ids are mostly made in order: when none is as great, all are new without a look-up.
        if exists (select from factum.event e where e.id >= p_event_id_min) then
            select array_agg(k.known order by k.a), array_agg(k.first order by k.a)
            into v_known_count, v_known_first
            from (
                select i.a, count(e.id)::integer as known, min(i.o) filter (where e.id is not null)::integer as first
                from unnest(p_event_append, p_event_id) with ordinality as i(a, id, o)
                left join factum.event e on e.id = i.id
                group by i.a
            ) k;
        end if;
    end if;
    if cardinality(p_record_unit) > 0 then
        select array_agg(coalesce(f.revision, 0) order by w.n)
        into v_revision_was
        from unnest(p_record_kind, p_record_id) with ordinality as w(kind, id, n)
        left join (
            select r.kind, r.id, r.revision from factum.record r
            where (r.kind, r.id) in (select * from unnest(p_record_kind, p_record_id))
            order by r.kind, r.id for no key update
        ) f on f.kind = w.kind and f.id = w.id;
        v_revision := v_revision_was;

        for i in 1 .. cardinality(p_op_record) loop
            j := p_op_record[i];
            u := p_record_unit[j];
            continue when o_code[u] <> 0;
            if p_op_guard[i] = -1 or p_op_guard[i] = v_revision[j] then
                v_revision[j] := case when p_op_is_put[i] then v_revision[j] + 1 else 0 end;
            else
                o_code[u] := 3;
                o_index[u] := i;
                o_actual[u] := v_revision[j];
            end if;
        end loop;
    end if;

    -- Each append in its order, on top of those before it; a unit that fails takes its own back.
    for i in 1 .. v_appends loop
        u := p_append_unit[i];
        s := p_append_stream[i];
        v_count := p_append_count[i];
        if o_code[u] <> 0 then
            null;
        elsif v_known_count[i] = v_count then
            null;
        elsif v_known_count[i] > 0 then
            o_code[u] := 2;
            o_index[u] := v_known_first[i];
        elsif (p_append_expected[i] = -1 or p_append_expected[i] = v_at[s]) and not v_closed[s] then
            v_base[i] := v_at[s];
            v_at[s] := v_at[s] + v_count;
        else
            -- A closed stream says so to whoever expected it to be where it is.
            o_code[u] := case when p_append_expected[i] in (-1, v_at[s]) then 4 else 1 end;
            o_index[u] := i;
            o_actual[u] := v_at[s];
        end if;
        if o_code[u] <> 0 then
            j := i - 1;
            while j > 0 and p_append_unit[j] = u loop
                if v_base[j] is not null then
                    v_at[p_append_stream[j]] := v_at[p_append_stream[j]] - p_append_count[j];
                    v_base[j] := null;
                end if;
                j := j - 1;
            end loop;
        end if;
    end loop;
    for i in 1 .. v_appends loop
        v_count := p_append_count[i];
        if v_base[i] is not null then
            o_version[i] := v_base[i] + v_count;
            v_base[i] := v_base[i] - v_given;
            v_shift[i] := v_taken - v_given;
            v_taken := v_taken + v_count;
        end if;
        v_given := v_given + v_count;
    end loop;

    if v_taken > 0 then
        -- The fence, as late as can be: it names a position that every one drawn from here on is above. Read by the
        -- function: a plain select may meet the sequence half-way through a draw, when it is ahead of itself.
        v_fence := coalesce(pg_sequence_last_value('factum.position'), 0);
        perform pg_advisory_xact_lock_shared(
            'factum.position'::regclass::oid::integer,
            ((v_fence + 2147483648) % 4294967296 - 2147483648)::integer
        );
        if v_taken = 1 then
            v_position := array[nextval('factum.position')];
        else
            select array_agg(nextval('factum.position')) into v_position from generate_series(1, v_taken);
        end if;

        v_new := 0;
        for i in 1 .. cardinality(p_stream) loop
            if v_stream[i] is null and v_at[i] > 0 then
                v_new := v_new + 1;
            end if;
        end loop;
        if v_new > 0 then
            with made as (
                insert into factum.stream (name, version)
                select w.name, w.version from unnest(p_stream, v_stream, v_at) as w(name, id, version)
                where w.id is null and w.version > 0 order by w.name
                on conflict (name) do nothing
                returning id, name
            )
            select array_agg(coalesce(w.id, made.id) order by w.n), count(made.id)
            into v_stream, v_count
            from unnest(p_stream, v_stream) with ordinality as w(name, id, n)
            left join made on made.name = w.name;
            if v_count <> v_new then
                raise exception 'a stream was made at the same time' using errcode = 'FC001';
            end if;
        end if;
        if v_new < cardinality(p_stream) then
            update factum.stream t set version = w.version
            from unnest(v_stream, v_was, v_at) as w(id, was, version)
            where t.id = w.id and w.was > 0 and w.version > w.was;
        end if;
        insert into factum.event (position, stream_id, version, time, sum, type_id, id, meta, data)
        select v_position[e.o + v_shift[e.a]], v_stream[p_append_stream[e.a]], v_base[e.a] + e.o,
            e.time, e.sum, e.type_id, e.id, e.meta, e.data
        from unnest(
            p_event_append, p_event_type, p_event_time, p_event_sum, p_event_id, p_event_meta, p_event_data
        ) with ordinality as e(a, type_id, time, sum, id, meta, data, o)
        where v_shift[e.a] is not null;
        if cardinality(p_tag_event) > 0 then
            insert into factum.tag (hash, position)
            select t.hash, v_position[t.e + v_shift[p_event_append[t.e]]]
            from unnest(p_tag_event, p_tag_hash) as t(e, hash)
            where v_shift[p_event_append[t.e]] is not null;
        end if;
        v_given := 0;
        for i in 1 .. v_appends loop
            v_given := v_given + p_append_count[i];
            if v_shift[i] is not null then
                o_position[i] := v_position[v_given + v_shift[i]];
            end if;
        end loop;
    end if;

    -- Where events that were known before are: the place of each append's last.
    if v_known_first is not null then
        select array_agg(t.name order by w.o), array_agg(coalesce(o_version[w.o], e.version) order by w.o),
            array_agg(coalesce(o_position[w.o], e.position) order by w.o)
        into o_known, o_version, o_position
        from (
            select l.a as o, case when v_known_count[l.a] = p_append_count[l.a] then p_event_id[max(l.o)] end as id
            from unnest(p_event_append) with ordinality as l(a, o) group by l.a
        ) w
        left join factum.event e on e.id = w.id
        left join factum.stream t on t.id = e.stream_id;
    end if;

    if cardinality(p_record_unit) > 0 then
        v_new := 0;
        for i in 1 .. cardinality(p_record_unit) loop
            if o_code[p_record_unit[i]] = 0 and v_revision_was[i] = 0 and v_revision[i] > 0 then
                v_new := v_new + 1;
            end if;
        end loop;
        if v_new > 0 then
            insert into factum.record (kind, id, grp, due, revision, bytes)
            select w.kind, w.id, w.grp, w.due, w.revision, w.bytes
            from unnest(
                p_record_unit, p_record_kind, p_record_id, p_record_group, p_record_due, v_revision_was, v_revision,
                p_record_bytes
            ) as w(unit, kind, id, grp, due, was, revision, bytes)
            where o_code[w.unit] = 0 and w.was = 0 and w.revision > 0
            order by w.kind, w.id
            on conflict (kind, id) do nothing;
            get diagnostics v_count = row_count;
            if v_count <> v_new then
                raise exception 'a record was made at the same time' using errcode = 'FC001';
            end if;
        end if;
        if v_new < cardinality(p_record_unit) then
            update factum.record r set grp = w.grp, due = w.due, revision = w.revision, bytes = w.bytes
            from unnest(
                p_record_unit, p_record_kind, p_record_id, p_record_group, p_record_due, v_revision_was, v_revision,
                p_record_bytes
            ) as w(unit, kind, id, grp, due, was, revision, bytes)
            where o_code[w.unit] = 0 and w.was > 0 and w.revision > 0 and r.kind = w.kind and r.id = w.id;
            delete from factum.record r
            using unnest(p_record_unit, p_record_kind, p_record_id, v_revision_was, v_revision)
                as w(unit, kind, id, was, revision)
            where o_code[w.unit] = 0 and w.was > 0 and w.revision = 0 and r.kind = w.kind and r.id = w.id;
        end if;
    end if;
    o_xid := pg_current_xact_id_if_assigned()::text;
end
$$
