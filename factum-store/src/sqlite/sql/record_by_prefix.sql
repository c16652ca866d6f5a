-- factum: the records of all groups between two texts, by id.
select id, grp, due, revision, bytes from factum_record
where kind = ?1 and grp >= ?2 and (?3 is null or grp < ?3) and id >= ?4 order by id limit ?5
