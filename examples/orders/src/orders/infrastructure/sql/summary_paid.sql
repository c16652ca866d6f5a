update {order_summary} set status = $2, changes = changes + 1, paid_at = $3, payment_id = $4
where order_id = $1
