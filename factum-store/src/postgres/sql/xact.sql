-- factum: the transaction, when it has written something.
select pg_current_xact_id_if_assigned()::text as transaction
