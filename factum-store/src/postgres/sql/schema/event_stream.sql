-- factum: a stream in order, and the backstop of dense versions.
create unique index event_stream on factum.event (stream_id, version)
