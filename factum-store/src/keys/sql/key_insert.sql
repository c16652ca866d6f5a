insert into key (number, wrapped) values (?1, ?2)
