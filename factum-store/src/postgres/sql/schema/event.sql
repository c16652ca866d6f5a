-- factum: the log.
create table factum.event (
    position bigint primary key,
    stream_id bigint not null,
    version bigint not null,
    time bigint not null,
    sum bigint not null,
    type_id integer not null,
    id uuid not null,
    meta bytea not null,
    data bytea not null
)
