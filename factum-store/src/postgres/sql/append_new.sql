-- factum: one event to a stream that is not there; answers nothing, and does nothing, where it is.
-- The stream is made before its row comes out of `made`; then the fence, then the position, in the order of `case`.
with made as (
    insert into factum.stream (name, version)
    select $1, 1 where current_setting('synchronous_commit') <> 'off'
    on conflict (name) do nothing
    returning id
)
insert into factum.event (position, stream_id, version, time, sum, type_id, id, meta, data)
select
    case
        when pg_try_advisory_xact_lock_shared(
            'factum.position'::regclass::oid::integer,
            ((coalesce(pg_sequence_last_value('factum.position'), 0) + 2147483648) % 4294967296 - 2147483648)::integer
        ) then nextval('factum.position')
    end,
    m.id, 1, $2, $3, $4, $5, $6, $7
from made m
returning position, version
