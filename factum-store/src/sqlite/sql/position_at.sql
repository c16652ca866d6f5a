-- factum: the position of a stream's version.
select position from factum_event where stream_id = ?1 and version = ?2
