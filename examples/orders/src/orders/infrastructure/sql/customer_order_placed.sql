insert into {customer_orders} (order_id, customer_id, total, currency, status, placed_at)
values ($1, $2, $3, $4, $5, $6)
