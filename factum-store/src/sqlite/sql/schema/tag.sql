-- factum: which events carry a tag, or a correlation that is not their own id; by hash, verified on read.
create table factum_tag (
    hash integer not null,
    position integer not null,
    primary key (hash, position)
) strict, without rowid
