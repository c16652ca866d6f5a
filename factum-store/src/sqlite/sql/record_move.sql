-- factum: a record's new content, group and due time.
update factum_record set grp = ?2, due = ?3, revision = ?4, bytes = ?5 where rowid = ?1
