-- factum: a tag of such an event.
delete from factum_tag where hash = ?1 and position = ?2
