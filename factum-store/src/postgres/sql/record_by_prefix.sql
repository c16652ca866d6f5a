-- factum: the records of all groups between two texts, by id.
select r.id, r.grp, r.due, r.revision, r.bytes from factum.record r
where r.kind = $1 and r.grp >= $4 and ($5::bytea is null or r.grp < $5) and r.id >= $2 order by r.id limit $3
