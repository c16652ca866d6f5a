-- factum: a table of Factum's own that this transaction has written to, dropped, or locked more than readers do.
select coalesce(c.relname::text, 'what was dropped') as name
from pg_catalog.pg_locks l
left join pg_catalog.pg_class c on c.oid = l.relation
where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.mode <> 'AccessShareLock'
    and (l.relation = any ($1) or c.relnamespace = $2::regnamespace)
-- The table itself before its indexes.
order by c.relkind <> 'r', c.relname limit 1
