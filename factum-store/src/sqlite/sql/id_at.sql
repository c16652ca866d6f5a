-- factum: which event is at a position.
select id from factum_event where position = ?1
