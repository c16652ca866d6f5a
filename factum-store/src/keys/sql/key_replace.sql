update key set wrapped = ?2 where number = ?1
