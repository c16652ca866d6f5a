-- factum: one record.
select id, grp, due, revision, bytes from factum_record where kind = ?1 and id = ?2
