update {customer_orders} set status = $2 where order_id = $1 and status = 'paid'
