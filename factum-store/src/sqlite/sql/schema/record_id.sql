-- factum: a record by its identity.
create unique index factum_record_id on factum_record (kind, id)
