-- factum: streams that have got to a version elsewhere.
insert into factum.stream (name, version)
select s.name, s.version from unnest($1::text[], $2::bigint[]) as s(name, version) order by s.name
on conflict (name) do update set version = greatest(stream.version, excluded.version)
