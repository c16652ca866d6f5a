-- factum: keys, and subjects that were forgotten.
select (select count(*) from factum.key) as kept,
    (select count(*) from factum.subject s where s.forgotten_at is not null) as forgotten
