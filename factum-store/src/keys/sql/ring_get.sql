select id, fingerprint, proof from ring
