-- factum: the records of a group, by id.
select id, grp, due, revision, bytes from factum_record
where kind = ?1 and grp = ?2 and id >= ?3 order by id limit ?4
