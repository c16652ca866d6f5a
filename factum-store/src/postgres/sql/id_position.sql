-- factum: where an id is recorded.
select e.position from factum.event e where e.id = $1
