-- factum: another ring takes the place of one without subjects.
update factum.ring set name = $1, fingerprint = $2, proof = $3, changes = changes + 1
