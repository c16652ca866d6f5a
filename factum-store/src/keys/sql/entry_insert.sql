insert into subject (number, subject, forgotten_at) values (?1, ?2, ?3)
