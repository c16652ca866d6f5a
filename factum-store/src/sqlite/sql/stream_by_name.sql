-- factum: a stream's number and version.
select id, version from factum_stream where name = ?1
