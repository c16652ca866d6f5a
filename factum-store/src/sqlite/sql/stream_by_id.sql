-- factum: a stream's name.
select name from factum_stream where id = ?1
