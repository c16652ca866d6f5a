-- factum: the highest position that was ever deleted, so that positions are never given twice.
create table factum_mark (
    id integer primary key check (id = 1),
    position integer not null
) strict
