-- factum: a stream's name, once, and the version of its last event.
create table factum_stream (
    id integer primary key,
    name text not null unique,
    version integer not null
) strict
