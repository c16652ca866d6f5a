-- factum: events with the places that they have elsewhere.
insert into factum.event (position, stream_id, version, time, sum, type_id, id, meta, data)
select e.position, s.id, e.version, e.time, e.sum, e.type_id, e.id, e.meta, e.data
from unnest(
    $1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[], $7::uuid[], $8::bytea[],
    $9::bytea[]
) as e(position, stream, version, time, sum, type_id, id, meta, data)
join factum.stream s on s.name = e.stream
order by e.position
on conflict do nothing
