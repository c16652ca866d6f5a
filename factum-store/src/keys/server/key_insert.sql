-- factum: their keys.
insert into factum.key (number, wrapped) select w.number, w.wrapped
from unnest($1::bigint[], $2::bytea[]) as w(number, wrapped)
