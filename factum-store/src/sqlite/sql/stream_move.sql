-- factum: a stream's new version.
update factum_stream set version = ?2 where id = ?1
