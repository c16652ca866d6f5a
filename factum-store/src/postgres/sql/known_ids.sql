-- factum: which of these ids are recorded.
select e.id from factum.event e where e.id = any ($1)
