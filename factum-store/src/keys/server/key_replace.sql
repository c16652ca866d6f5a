-- factum: keys that are wrapped anew.
update factum.key k set wrapped = w.wrapped
from unnest($1::bigint[], $2::bytea[]) as w(number, wrapped) where k.number = w.number
