-- factum: the log between two positions, oldest first.
select e.position, e.stream_id, e.version, e.type_id, e.time, e.sum, e.id, e.meta, e.data
from factum.event e
where e.position > $1 and e.position <= $2
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
order by e.position limit $3
