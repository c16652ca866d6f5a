-- factum: what is due, earliest first; few records have a due time.
create index factum_record_due on factum_record (kind, due, id) where due is not null
