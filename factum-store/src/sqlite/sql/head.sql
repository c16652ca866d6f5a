-- factum: the last position that was given, also when its event has been archived.
select max(position, coalesce((select max(position) from factum_event), 0)) from factum_mark
