-- factum: a type's number.
select t.id from factum.type t
where t.name = $1 and t.version = $2 and t.kind = $3 and t.category = $4 and t.topic = $5
