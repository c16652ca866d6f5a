-- factum: where an id is recorded.
select stream_id, version, position from factum_event where id = ?1
