-- factum: their keys, wrapped.
create table if not exists factum.key (
    number bigint primary key references factum.subject (number),
    wrapped bytea not null
)
