-- factum: the events that carry a tag, newest first.
select e.position, e.stream_id, e.version, e.type_id, e.time, e.sum, e.id, e.meta, e.data
from factum_tag t cross join factum_event e on e.position = t.position
where t.hash = ?4 and t.position > ?1 and t.position <= ?2 order by t.position desc limit ?3
