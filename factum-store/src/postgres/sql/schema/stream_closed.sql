-- factum: whether a stream's last event closes it, so that no append has to look for that event.
alter table factum.stream add column is_closed boolean not null default false
