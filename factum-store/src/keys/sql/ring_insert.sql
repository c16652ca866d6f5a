insert into ring (one, id, fingerprint, proof) values (1, ?1, ?2, ?3)
