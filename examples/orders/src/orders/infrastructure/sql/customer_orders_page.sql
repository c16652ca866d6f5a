select o.order_id, o.total, o.currency, o.status, o.placed_at
from {customer_orders} o
where o.customer_id = $1
  and (cast($2 as text) is null or (o.placed_at, o.order_id) <
      (select b.placed_at, b.order_id from {customer_orders} b where b.order_id = $2))
order by o.placed_at desc, o.order_id desc
limit $3
