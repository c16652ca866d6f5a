-- factum: a stream's number.
select s.id from factum.stream s where s.name = $1
