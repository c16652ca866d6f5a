-- factum: a new type; somebody else may have made it at the same time.
insert into factum.type (name, version, kind, category, topic) values ($1, $2, $3, $4, $5) on conflict do nothing
