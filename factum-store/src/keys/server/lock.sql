-- factum: of many that open a new ring at once, one makes it.
select pg_advisory_xact_lock($1, $2)
