-- factum: everything that is kept beside the log; ids and groups are bytes, so that they sort and hold what they may.
create table factum.record (
    kind text collate "C" not null,
    id bytea not null,
    grp bytea not null,
    due bigint,
    revision bigint not null,
    bytes bytea not null,
    primary key (kind, id)
) with (fillfactor = 70)
