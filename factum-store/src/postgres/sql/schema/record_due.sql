-- factum: what is due, earliest first; few records have a due time.
create index record_due on factum.record (kind, due, id) where due is not null
