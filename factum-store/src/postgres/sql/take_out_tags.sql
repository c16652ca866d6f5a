-- factum: the tags of such events.
delete from factum.tag t using unnest($1::bigint[], $2::bigint[]) as gone(hash, position)
where t.hash = gone.hash and t.position = gone.position
