-- factum: what may be unusual about the server.
select
    current_setting('server_version') as version,
    current_setting('max_connections')::integer as connections_max,
    (select count(*)::integer from pg_catalog.pg_stat_activity where backend_type = 'client backend') as connections,
    current_setting('max_locks_per_transaction')::integer as locks,
    current_setting('full_page_writes') as full_page_writes,
    (select c.moved_at::text from factum.cluster c) as moved_at,
    (select c.moved_from from factum.cluster c) as moved_from,
    (select max(e.position) from factum.event e) as head,
    (select p.last_value from factum.position p) as last_position
