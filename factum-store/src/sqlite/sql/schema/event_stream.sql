-- factum: a stream in order, and the backstop of dense versions.
create unique index factum_event_stream on factum_event (stream_id, version)
