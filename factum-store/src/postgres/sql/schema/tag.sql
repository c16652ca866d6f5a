-- factum: which events carry a tag, or a correlation that is not their own id; by hash, verified on read.
create table factum.tag (
    hash bigint not null,
    position bigint not null,
    primary key (hash, position)
)
