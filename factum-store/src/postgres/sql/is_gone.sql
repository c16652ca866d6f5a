-- factum: ends a connection that was lost, and says whether its server process is gone.
select count(*) = 0 as is_gone, count(pg_terminate_backend(a.pid)) as ended
from pg_catalog.pg_stat_activity a where a.pid = $1 and a.backend_start::text = $2
