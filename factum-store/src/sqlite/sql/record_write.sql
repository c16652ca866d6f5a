-- factum: a record's new content; its group and due time stay, and so do their indexes.
update factum_record set revision = ?2, bytes = ?3 where rowid = ?1
