-- factum: an id is recorded once.
create unique index event_id on factum.event (id)
