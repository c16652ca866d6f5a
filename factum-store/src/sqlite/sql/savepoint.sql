-- factum: a unit that may be undone without those that share its commit.
savepoint factum_unit
