-- factum: what is due within a time, earliest first, of one group or of a range of groups when they are given.
select r.id, r.grp, r.due, r.revision, r.bytes from factum.record r
where r.kind = $1 and r.due <= $4 and r.due >= $8 and r.id >= $2
    and ($5::bytea is null or r.grp = $5) and ($6::bytea is null or r.grp >= $6) and ($7::bytea is null or r.grp < $7)
order by r.due, r.id limit $3
