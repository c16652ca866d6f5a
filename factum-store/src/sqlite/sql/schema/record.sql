-- factum: everything that is kept beside the log.
create table factum_record (
    rowid integer primary key,
    kind text not null,
    id text not null,
    grp text not null,
    due integer,
    revision integer not null,
    bytes blob not null
) strict
