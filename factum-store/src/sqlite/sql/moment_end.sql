-- factum: the end of a moment; nothing was written.
rollback
