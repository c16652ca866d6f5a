-- factum: the next position that holds an event.
select min(position) from factum_event where position > ?1
