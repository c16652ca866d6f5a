-- factum: types by their numbers.
select t.id, t.name, t.version, t.kind, t.category, t.topic from factum.type t where t.id = any ($1)
