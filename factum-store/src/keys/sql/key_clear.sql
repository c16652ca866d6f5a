delete from key
