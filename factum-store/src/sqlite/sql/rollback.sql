-- factum: undoes it.
rollback
