-- factum: writes units, with a verdict for each.
select o_code, o_index, o_actual, o_version, o_position, o_known, o_xid
from factum.write(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
    $25, $26
)
