-- factum: whoever deletes events, the mark remembers their positions; appends pay nothing for it.
create trigger factum_event_delete before delete on factum_event
begin
    update factum_mark set position = max(position, old.position) where id = 1;
end
