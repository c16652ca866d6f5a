-- factum: the store is written to here from now on.
insert into factum.cluster (id, identity, moved_at, moved_from)
values (1, $1, case when $2::text is not null then clock_timestamp() end, $2)
on conflict (id) do update set identity = excluded.identity, moved_at = excluded.moved_at,
    moved_from = excluded.moved_from
