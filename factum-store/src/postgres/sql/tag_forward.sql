-- factum: the events that carry a tag, oldest first.
select e.position, e.stream_id, e.version, e.type_id, e.time, e.sum, e.id, e.meta, e.data
from factum.tag g join factum.event e on e.position = g.position
where g.hash = $7 and g.position > $1 and g.position <= $2
    and not exists (
        select from unnest($8::bigint[]) as o(hash)
        where not exists (select from factum.tag x where x.hash = o.hash and x.position = g.position)
    )
    and (
        ($4::text[] is null and $5::text is null)
        or e.type_id in (
            select t.id from factum.type t
            where ($4::text[] is null or t.name = any ($4)) and ($5::text is null or t.kind = $5)
        )
    )
    and ($6::text is null or exists (
        select from factum.stream s where s.id = e.stream_id and s.name >= $6 || '-' and s.name < $6 || '.'
    ))
order by g.position limit $3
