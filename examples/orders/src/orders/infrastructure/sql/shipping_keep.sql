insert into order_shipping (order_id, street, city, postal_code, country) values ($1, $2, $3, $4, $5)
