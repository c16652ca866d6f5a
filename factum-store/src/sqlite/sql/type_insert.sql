-- factum: a new type.
insert into factum_type (name, version, kind, category, topic) values (?1, ?2, ?3, ?4, ?5)
