create table if not exists stock_orders (
    order_id text primary key,
    picks text,
    reservation_id text,
    reserved_at text,
    released_at text
)
