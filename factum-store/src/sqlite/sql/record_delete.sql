-- factum: a record goes.
delete from factum_record where rowid = ?1
