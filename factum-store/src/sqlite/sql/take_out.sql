-- factum: takes an event out of the log that is kept elsewhere.
delete from factum_event where position = ?1 and id = ?2
