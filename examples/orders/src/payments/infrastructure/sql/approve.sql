insert into payments (order_id, payment_id, amount, currency, approved_at) values ($1, $2, $3, $4, $5)
on conflict (order_id) do update set
    payment_id = excluded.payment_id,
    amount = excluded.amount,
    currency = excluded.currency,
    approved_at = excluded.approved_at
