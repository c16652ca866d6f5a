-- factum: who holds readers up.
select held_at, pid, prepared, seconds, query, application from factum.holders()
