-- factum: positions up to here that are not there were never there, or are gone.
update factum_mark set position = max(position, ?1) where id = 1
