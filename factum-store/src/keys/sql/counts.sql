select (select count(*) from key), (select count(*) from subject where forgotten_at is not null)
