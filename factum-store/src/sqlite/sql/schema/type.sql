-- factum: a contract version as events name it, once.
create table factum_type (
    id integer primary key,
    name text not null,
    version integer not null,
    kind text not null,
    category text not null,
    topic text not null,
    unique (name, version, kind, category, topic)
) strict
