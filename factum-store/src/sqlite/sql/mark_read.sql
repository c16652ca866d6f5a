-- factum: positions up to here may be gone because somebody deleted their events.
select position from factum_mark
