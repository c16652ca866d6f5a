-- factum: how many records there are.
select count(*) from factum_record
