-- factum: moves whenever a key that was held may no longer be.
select r.changes from factum.ring r
