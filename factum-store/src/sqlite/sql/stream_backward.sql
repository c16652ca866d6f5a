-- factum: a stream between two versions, newest first.
select position, stream_id, version, type_id, time, sum, id, meta, data
from factum_event where stream_id = ?4 and version > ?1 and version <= ?2 order by version desc limit ?3
