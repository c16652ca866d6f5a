-- factum: how many streams there are.
select count(*) from factum_stream
