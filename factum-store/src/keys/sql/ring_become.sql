update ring set id = ?1, fingerprint = ?2, proof = ?3
