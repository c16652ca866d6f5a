-- factum: destroys a subject's key.
delete from factum.key k using factum.subject s where s.number = k.number and s.subject = $1
