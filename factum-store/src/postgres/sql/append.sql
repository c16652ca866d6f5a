-- factum: appends, with a verdict for each.
select o_version, o_position, o_actual
from factum.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
