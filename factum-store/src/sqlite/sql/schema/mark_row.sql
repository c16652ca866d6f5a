-- factum: its only row.
insert into factum_mark (id, position) values (1, 0)
