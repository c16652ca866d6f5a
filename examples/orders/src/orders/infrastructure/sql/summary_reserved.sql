update {order_summary} set status = $2, changes = changes + 1, reserved_at = $3, reservation_id = $4
where order_id = $1 and status = 'paid'
