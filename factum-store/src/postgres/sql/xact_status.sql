-- factum: what became of a transaction.
select pg_xact_status($1::xid8) as status
