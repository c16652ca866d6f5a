-- factum: a table of Factum's own that this transaction has written to, or locked more than readers do.
select c.relname::text as name
from pg_catalog.pg_locks l
join pg_catalog.pg_class c on c.oid = l.relation
where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.mode <> 'AccessShareLock'
    and c.relnamespace = $1::regnamespace
limit 1
