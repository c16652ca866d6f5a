-- factum: a hint to other processes, outside of any append.
select pg_notify($1, '')
