-- factum: the records of a group, by id.
create index record_group on factum.record (kind, grp, id)
