-- factum: the log for people and their SQL: names instead of numbers, payloads as text.
create view event_json as
select
    e.position as position,
    s.name as stream,
    e.version as version,
    lower(substr(hex(e.id), 1, 8) || '-' || substr(hex(e.id), 9, 4) || '-' || substr(hex(e.id), 13, 4)
        || '-' || substr(hex(e.id), 17, 4) || '-' || substr(hex(e.id), 21, 12)) as id,
    t.name as type,
    t.version as type_version,
    t.kind as kind,
    t.topic as topic,
    strftime('%Y-%m-%dT%H:%M:%f', e.time / 1000000.0, 'unixepoch') || 'Z' as time,
    cast(e.data as text) as data
from factum_event e
join factum_stream s on s.id = e.stream_id
join factum_type t on t.id = e.type_id
