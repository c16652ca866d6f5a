-- factum: an id is recorded once.
create unique index factum_event_id on factum_event (id)
