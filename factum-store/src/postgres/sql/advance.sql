-- factum: leaves a gap that no position lost in a restore lies beyond.
select setval('factum.position', p.last_value + $1) from factum.position p
