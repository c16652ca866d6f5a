-- factum: all records of a kind, by id.
select id, grp, due, revision, bytes from factum_record
where kind = ?1 and id >= ?2 order by id limit ?3
