select * from {order_summary} where order_id = $1
