-- factum: one event to a stream that is there; answers nothing, and does nothing, where it is elsewhere than expected.
-- The stream is locked before its row comes out of `moved`; then the fence, then the position, in the order of `case`.
with moved as (
    update factum.stream s set version = s.version + 1
    where s.name = $1 and ($2 = -1 or s.version = $2) and not s.is_closed and current_setting('synchronous_commit') <> 'off'
    returning s.id, s.version
)
insert into factum.event (position, stream_id, version, time, sum, type_id, id, meta, data)
select
    case
        when pg_try_advisory_xact_lock_shared(
            'factum.position'::regclass::oid::integer,
            ((coalesce(pg_sequence_last_value('factum.position'), 0) + 2147483648) % 4294967296 - 2147483648)::integer
        ) then nextval('factum.position')
    end,
    m.id, m.version, $3, $4, $5, $6, $7, $8
from moved m
returning position, version
