-- factum: how many streams and records there are, and the last position.
select
    (select count(*) from factum.stream) as streams,
    (select count(*) from factum.record) as records,
    (select coalesce(max(e.position), 0) from factum.event e) as head
