-- factum: the log; the payload comes last, so that a scan that skips it reads little.
create table factum_event (
    position integer primary key,
    stream_id integer not null,
    version integer not null,
    type_id integer not null,
    time integer not null,
    sum integer not null,
    id blob not null,
    meta blob not null,
    data blob not null
) strict
