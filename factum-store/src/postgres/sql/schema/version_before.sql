-- factum: the greatest version of a stream at or before a position; versions rise with positions.
create or replace function factum.version_before(p_stream bigint, p_position bigint) returns bigint
language plpgsql stable
as $$
declare
    v_low bigint;
    v_high bigint;
    v_middle bigint;
    v_at bigint;
    v_found bigint;
begin
    if p_position <= 0 then
        return 0;
    end if;
    -- Mostly the position is where the last page of this very stream ended.
    select e.version into v_found from factum.event e where e.position = p_position and e.stream_id = p_stream;
    if found then
        return v_found;
    end if;
    select min(e.version) - 1, max(e.version) + 1 into v_low, v_high from factum.event e where e.stream_id = p_stream;
    if v_low is null then
        return 0;
    end if;
    select e.position into v_found from factum.event e where e.stream_id = p_stream and e.version = v_high - 1;
    if v_found <= p_position then
        return v_high - 1;
    end if;
    -- Versions up to the low one are at or before the position, those from the high one are after it. In between some
    -- may have been moved out of the log.
    while v_low + 1 < v_high loop
        v_middle := v_low + (v_high - v_low) / 2;
        select e.version, e.position into v_at, v_found from factum.event e
        where e.stream_id = p_stream and e.version > v_low and e.version <= v_middle order by e.version desc limit 1;
        if v_found > p_position then
            v_high := v_at;
        else
            v_low := v_middle;
        end if;
    end loop;
    return v_low;
end
$$
