-- factum: whether streams are closed, as their last events say.
update factum.stream s set is_closed = exists (
    select from factum.event e join factum.type t on t.id = e.type_id
    where e.stream_id = s.id and e.version = s.version and t.name = 'stream.closed'
) where s.name = any ($1::text[])
