-- factum: takes events out of the log that are kept elsewhere.
delete from factum.event e using unnest($1::bigint[], $2::uuid[]) as gone(position, id)
where e.position = gone.position and e.id = gone.id
