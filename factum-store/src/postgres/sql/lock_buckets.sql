-- factum: takes the tag buckets of a unit.
select factum.lock_buckets($1, $2)
