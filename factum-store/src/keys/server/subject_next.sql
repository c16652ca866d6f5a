-- factum: new subjects come behind those that are there.
select setval(pg_get_serial_sequence('factum.subject', 'number'), coalesce((select max(s.number) from factum.subject s), 0) + 1, false)
