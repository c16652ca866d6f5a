-- factum: the last position with an event in a range.
select e.position from factum.event e where e.position > $1 and e.position <= $2 order by e.position desc limit 1
