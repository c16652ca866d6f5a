-- The columns of a table, as the standard's catalog knows them.
select c.column_name as name, c.data_type as type, c.is_nullable as nullable,
    exists (
        select 1 from information_schema.key_column_usage k
        join information_schema.table_constraints t
            on t.constraint_name = k.constraint_name and t.table_schema = k.table_schema
        where k.table_schema = c.table_schema and k.table_name = c.table_name and k.column_name = c.column_name
            and t.constraint_type = 'PRIMARY KEY'
    ) as is_key
from information_schema.columns c
where c.table_name = $1 and c.table_schema = any (current_schemas(false))
order by c.ordinal_position
