-- factum: what is due within a time, earliest first, of one group or of a range of groups when they are given.
select id, grp, due, revision, bytes from factum_record
where kind = ?1 and due <= ?2 and due >= ?8
    and (?3 is null or grp = ?3) and (?4 is null or grp >= ?4) and (?5 is null or grp < ?5) and id >= ?6
order by due, id limit ?7
