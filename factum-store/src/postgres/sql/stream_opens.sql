-- factum: lets a closed stream take the events that open it again.
update factum.stream set is_closed = false where name = $1 and is_closed
