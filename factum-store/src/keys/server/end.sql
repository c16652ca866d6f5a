-- factum: the ring has been moved.
drop table factum.key, factum.subject, factum.ring
