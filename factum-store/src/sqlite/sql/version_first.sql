-- factum: the first version of a stream that is still in the log.
select min(version) from factum_event where stream_id = ?1
