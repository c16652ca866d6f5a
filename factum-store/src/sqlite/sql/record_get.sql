-- factum: what decides whether a record may be written, and which of its indexes a write touches.
select rowid, revision, grp, due from factum_record where kind = ?1 and id = ?2
