-- factum: the names of streams.
select s.id, s.name from factum.stream s where s.id = any ($1)
