-- factum: one moment, from its first read on.
begin deferred
