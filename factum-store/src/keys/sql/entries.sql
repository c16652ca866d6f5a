select s.number, s.subject, k.wrapped, s.forgotten_at from subject s left join key k on k.number = s.number
where s.number > ?1 order by s.number limit 500
