-- factum: a stream that has got to a version elsewhere.
insert into factum_stream (name, version) values (?1, ?2)
on conflict (name) do update set version = max(version, excluded.version)
returning id
