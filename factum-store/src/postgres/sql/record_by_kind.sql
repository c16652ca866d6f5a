-- factum: all records of a kind, by id.
select r.id, r.grp, r.due, r.revision, r.bytes from factum.record r where r.kind = $1 and r.id >= $2 order by r.id limit $3
