insert into {customers} (customer_id, orders, cancelled) values ($1, 1, 0)
on conflict (customer_id) do update set orders = {customers}.orders + 1
