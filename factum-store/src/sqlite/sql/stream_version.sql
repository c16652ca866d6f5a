-- factum: where a stream says it is.
select name, version from factum_stream where id = ?1
