-- factum: on which server and timeline the store was last written to.
create table factum.cluster (
    id integer primary key check (id = 1),
    identity text not null,
    moved_at timestamptz,
    moved_from text
)
