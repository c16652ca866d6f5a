select street, city, postal_code, country from order_shipping where order_id = $1
