-- factum: a key by its subject.
select s.number, s.subject, k.wrapped from factum.subject s left join factum.key k on k.number = s.number
where s.subject = $1
