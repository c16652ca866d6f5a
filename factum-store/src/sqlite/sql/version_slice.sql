-- factum: versions and positions of all streams, in order, from the index alone.
select stream_id, version, position from factum_event
where (stream_id, version) > (?1, ?2) order by stream_id, version limit ?3
