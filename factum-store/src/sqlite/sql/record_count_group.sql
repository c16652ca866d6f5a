-- factum: how many records of a kind a group has; the index knows.
select count(*) from factum_record where kind = ?1 and grp = ?2
