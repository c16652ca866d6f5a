update ring set fingerprint = ?1, proof = ?2
