-- factum: one record.
select r.id, r.grp, r.due, r.revision, r.bytes from factum.record r where r.kind = $1 and r.id = $2
