-- factum: the ring, what shows its master key, and how often keys were destroyed or wrapped anew.
create table if not exists factum.ring (
    id integer primary key check (id = 1),
    name text not null,
    fingerprint text not null,
    proof bytea not null,
    changes bigint not null
)
