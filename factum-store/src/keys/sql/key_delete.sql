delete from key where number = (select number from subject where subject = ?1)
