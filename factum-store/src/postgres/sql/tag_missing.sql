-- factum: which of these tags have no entry.
select w.position from unnest($1::bigint[], $2::bigint[]) as w(hash, position)
where not exists (select from factum.tag t where t.hash = w.hash and t.position = w.position)
