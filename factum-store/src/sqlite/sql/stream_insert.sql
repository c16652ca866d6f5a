-- factum: a new stream.
insert into factum_stream (name, version) values (?1, ?2)
