select orders, cancelled from {customers} where customer_id = $1
