-- factum: the log for people and their SQL: names instead of numbers, payloads as JSON where they are JSON.
create view factum.event_json as
select
    e.position,
    s.name as stream,
    e.version,
    e.id,
    t.name as type,
    t.version as type_version,
    t.kind,
    t.topic,
    timestamptz 'epoch' + e.time * interval '1 microsecond' as time,
    factum.as_json(e.data) as data
from factum.event e
join factum.stream s on s.id = e.stream_id
join factum.type t on t.id = e.type_id
