create table if not exists order_shipping (
    order_id text primary key,
    street text not null,
    city text not null,
    postal_code text not null,
    country text not null
)
