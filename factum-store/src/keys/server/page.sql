-- factum: keys in the order of their numbers, kept as they are until the end of the transaction.
select s.number, s.subject, k.wrapped from factum.key k join factum.subject s on s.number = k.number
where k.number > $1 order by k.number limit 500 for update of k
