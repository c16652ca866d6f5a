select s.number, s.subject, k.wrapped from subject s left join key k on k.number = s.number where s.number = ?1
