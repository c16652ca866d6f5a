insert into {order_summary} (order_id, customer_id, items, total, currency, status, changes, placed_at, email)
values ($1, $2, $3, $4, $5, $6, 1, $7, $8)
