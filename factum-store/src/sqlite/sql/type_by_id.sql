-- factum: a type by its number.
select name, version, kind, category, topic from factum_type where id = ?1
