insert into subject (subject) values (?1) on conflict (subject) do nothing returning number
