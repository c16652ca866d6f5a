-- factum: a new record.
insert into factum_record (kind, id, grp, due, revision, bytes) values (?1, ?2, ?3, ?4, 1, ?5)
