-- factum: marks a subject, known or not; first of all, so that nobody makes a key meanwhile.
insert into factum.subject as s (subject, forgotten_at) values ($1, $2)
on conflict (subject) do update set forgotten_at = coalesce(s.forgotten_at, excluded.forgotten_at)
