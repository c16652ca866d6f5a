update stock_orders set reservation_id = $2, reserved_at = $3 where order_id = $1
