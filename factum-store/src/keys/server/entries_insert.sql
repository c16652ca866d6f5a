-- factum: subjects of another place, with their numbers.
insert into factum.subject (number, subject, forgotten_at) overriding system value
select w.number, w.subject, w.forgotten_at from unnest($1::bigint[], $2::text[], $3::bigint[]) as w(number, subject, forgotten_at)
