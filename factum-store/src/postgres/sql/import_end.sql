-- factum: the next position comes behind the last one taken over.
select setval('factum.position', $1)
