-- factum: how many events carry each tag, counted up to a bound: the rarest tag leads a search.
select h.hash from unnest($1::bigint[]) as h(hash)
order by (
    select count(*) from (
        select from factum.tag t where t.hash = h.hash and t.position > $2 and t.position <= $3 limit 1000
    ) c
)
