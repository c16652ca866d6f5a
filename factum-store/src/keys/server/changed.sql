-- factum: whoever holds keys looks again.
update factum.ring set changes = changes + 1
