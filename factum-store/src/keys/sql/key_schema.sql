-- A subject that was forgotten has no row here.
create table key (
    number integer primary key references subject (number),
    wrapped blob not null
) strict
