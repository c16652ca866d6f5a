-- factum: whether an event carries a tag of this hash.
select 1 from factum_tag where hash = ?1 and position = ?2
