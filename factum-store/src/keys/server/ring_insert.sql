-- factum: a new ring.
insert into factum.ring (id, name, fingerprint, proof, changes) values (1, $1, $2, $3, 0) on conflict do nothing
