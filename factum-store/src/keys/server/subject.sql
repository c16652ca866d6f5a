-- factum: data subjects, by number.
create table if not exists factum.subject (
    number bigint generated always as identity primary key,
    subject text collate "C" not null unique,
    forgotten_at bigint
)
