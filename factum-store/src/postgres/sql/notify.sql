-- factum: a hint to other processes, outside of any append; it may be lost, so nothing waits for the disk.
select set_config('synchronous_commit', 'off', true), pg_notify($1, '')
