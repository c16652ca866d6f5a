select s.number, s.subject, k.wrapped from key k join subject s on s.number = k.number where k.number > ?1 order by k.number limit 1000
