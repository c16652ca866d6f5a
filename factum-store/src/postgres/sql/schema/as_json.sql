-- factum: a payload as JSON; null when it is none.
create function factum.as_json(p_data bytea) returns jsonb
language plpgsql immutable strict parallel safe
as $$
begin
    return convert_from(p_data, 'UTF8')::jsonb;
exception when others then
    return null;
end
$$
