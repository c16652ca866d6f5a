-- factum: a stream's number and version.
select s.id, s.version from factum.stream s where s.name = $1
