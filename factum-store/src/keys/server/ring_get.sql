-- factum: the ring.
select r.name, r.fingerprint, r.proof from factum.ring r
