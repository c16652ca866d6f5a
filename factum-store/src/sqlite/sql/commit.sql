-- factum: makes it durable.
commit
