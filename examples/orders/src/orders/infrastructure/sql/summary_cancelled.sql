update {order_summary}
set status = $2, changes = changes + 1, cancelled_at = $3, cancelled_by = $4, cancel_reason = $5, refund = $6
where order_id = $1
