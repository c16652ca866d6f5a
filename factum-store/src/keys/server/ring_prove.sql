-- factum: another master key.
update factum.ring set fingerprint = $1, proof = $2, changes = changes + 1
