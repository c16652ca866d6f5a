-- factum: the records of a group, by id.
create index factum_record_group on factum_record (kind, grp, id)
