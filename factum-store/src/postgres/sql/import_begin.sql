-- factum: holds readers back as any writer does, and answers where the log ends.
select greatest(
    (select coalesce(max(e.position), 0) from factum.event e),
    (select case when p.is_called then p.last_value else 0 end from factum.position p)
) as head, pg_advisory_xact_lock_shared(
    'factum.position'::regclass::oid::integer,
    ((coalesce(pg_sequence_last_value('factum.position'), 0) + 2147483648) % 4294967296 - 2147483648)::integer
)
