-- factum: a tag of an event; two tags of one hash need one entry.
insert or ignore into factum_tag (hash, position) values (?1, ?2)
