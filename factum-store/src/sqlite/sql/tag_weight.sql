-- factum: how many events carry a tag, counted up to a bound: the rarest tag leads a search.
select count(*) from (select 1 from factum_tag where hash = ?1 and position > ?2 and position <= ?3 limit ?4)
