delete from subject
