-- factum: versions and positions of all streams, in order, and where each stream says it is.
select e.stream_id, e.version, e.position, s.version as says, s.name
from factum.event e left join factum.stream s on s.id = e.stream_id
where (e.stream_id, e.version) > ($1, $2) order by e.stream_id, e.version limit $3
