-- factum: subjects that are not there yet; one that somebody else makes at this moment is waited for.
insert into factum.subject (subject) select w.subject from unnest($1::text[]) as w(subject) order by w.subject
on conflict (subject) do nothing
returning number, subject
