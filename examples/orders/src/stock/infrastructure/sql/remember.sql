insert into stock_orders (order_id, picks) values ($1, $2)
on conflict (order_id) do update set picks = excluded.picks
