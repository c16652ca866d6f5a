insert into payments (order_id, cancelled_at) values ($1, $2)
on conflict (order_id) do update set cancelled_at = coalesce(payments.cancelled_at, excluded.cancelled_at)
