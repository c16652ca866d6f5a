-- factum: subjects in the order of their numbers, forgotten ones too.
select s.number, s.subject, k.wrapped, s.forgotten_at from factum.subject s
left join factum.key k on k.number = s.number
where s.number > $1 order by s.number limit 500
