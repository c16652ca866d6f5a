-- factum: one event.
insert into factum_event (position, stream_id, version, type_id, time, sum, id, meta, data)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
