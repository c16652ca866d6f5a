-- factum: takes the write lock.
begin immediate
