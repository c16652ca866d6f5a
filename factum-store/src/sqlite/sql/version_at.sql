-- factum: a stream's version at the position of one of its events.
select version from factum_event where position = ?2 and stream_id = ?1
