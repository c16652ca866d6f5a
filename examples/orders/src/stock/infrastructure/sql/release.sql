insert into stock_orders (order_id, released_at) values ($1, $2)
on conflict (order_id) do update set released_at = coalesce(stock_orders.released_at, excluded.released_at)
