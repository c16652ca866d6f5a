order_id text primary key,
customer_id text not null,
total text not null,
currency text not null,
status text not null,
placed_at text not null
