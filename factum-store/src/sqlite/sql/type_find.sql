-- factum: a type's number.
select id from factum_type where name = ?1 and version = ?2 and kind = ?3 and category = ?4 and topic = ?5
