create table ring (
    one integer primary key check (one = 1),
    id text not null,
    fingerprint text not null,
    proof blob not null
) strict
