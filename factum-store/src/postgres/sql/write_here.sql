-- factum: writes units as write.sql does, where this is the server named last, as identity.sql tells it; elsewhere nothing
-- runs and no row comes, because a condition that knows no column is judged before the function is called.
select o_code, o_index, o_actual, o_version, o_position, o_known, o_xid
from factum.write(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
    $25, $26
)
where $27 = (
    select
        case when not pg_is_in_recovery() then
            (select s.system_identifier::text from pg_control_system() s)
                || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
                || '/' || (select d.oid::text from pg_catalog.pg_database d where d.datname = current_database())
        end
)
