-- factum: the log between two positions, oldest first.
select position, stream_id, version, type_id, time, sum, id, meta, data
from factum_event where position > ?1 and position <= ?2 order by position limit ?3
