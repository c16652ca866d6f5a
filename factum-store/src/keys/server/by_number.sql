-- factum: a key by its number.
select s.number, s.subject, k.wrapped from factum.subject s left join factum.key k on k.number = s.number
where s.number = $1::bigint
