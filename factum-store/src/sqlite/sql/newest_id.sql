-- factum: the greatest id recorded; greater ones are new without a look-up.
select max(id) from factum_event
