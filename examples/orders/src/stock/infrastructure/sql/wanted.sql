select picks from stock_orders where order_id = $1
