-- factum: the tags of such events.
insert into factum.tag (hash, position) select t.hash, t.position from unnest($1::bigint[], $2::bigint[])
as t(hash, position) on conflict do nothing
