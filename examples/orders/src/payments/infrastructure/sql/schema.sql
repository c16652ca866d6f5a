create table if not exists payments (
    order_id text primary key,
    payment_id text,
    amount text,
    currency text,
    approved_at text,
    cancelled_at text
)
