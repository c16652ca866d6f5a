insert into subject (subject, forgotten_at) values (?1, ?2)
on conflict (subject) do update set forgotten_at = coalesce(forgotten_at, excluded.forgotten_at)
