-- factum: the first of the places in which something else is.
select min(w.position) as position from unnest($1::bigint[], $2::uuid[]) as w(position, id)
left join factum.event e on e.position = w.position and e.id = w.id
where e.position is null
