create table subject (
    number integer primary key autoincrement,
    subject text not null unique,
    forgotten_at integer
) strict
