update {customers} set cancelled = cancelled + 1
where customer_id = (select customer_id from {customer_orders} where order_id = $1)
