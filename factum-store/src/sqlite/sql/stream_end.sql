-- factum: a stream's number and version, and whether its last event closes it.
select s.id, s.version, exists (
    select 1 from factum_event e join factum_type t on t.id = e.type_id
    where e.stream_id = s.id and e.version = s.version and t.name = 'stream.closed'
)
from factum_stream s where s.name = ?1
