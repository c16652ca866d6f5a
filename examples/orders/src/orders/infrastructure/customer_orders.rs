//! Read model: what each customer has ordered.

use factum::{ConsumerName, Failure, Projection, ReadSide, StoreError, Table, Tables, values};
use serde::Serialize;

use crate::orders::domain::{Event, Status};
use crate::values::{CustomerId, OrderId};

/// One row per order by customer, newest first, and how many each customer has.
#[derive(Debug, Clone, Copy)]
pub struct CustomerOrders;

impl Projection for CustomerOrders {
    const NAME: ConsumerName = ConsumerName::constant("customer_orders");
    const VERSION: u32 = 1;
    type Input = Event;

    fn tables() -> Vec<Table> {
        vec![
            Table::new("customer_orders", include_str!("sql/customer_orders_columns.sql"))
                .indexes(&["customer_id, placed_at, order_id"]),
            Table::new("customers", include_str!("sql/customers_columns.sql")),
        ]
    }

    async fn apply(&self, event: Event, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        let order = event.order().to_string();
        let status = match event {
            Event::Placed(event) => {
                let row = values![
                    order,
                    event.customer.as_str(),
                    event.lines.total().amount().to_string(),
                    event.lines.total().currency().as_str(),
                    Status::AwaitingPayment.as_str(),
                    event.at.to_string(),
                ];
                tables.execute(include_str!("sql/customer_order_placed.sql"), row);
                tables.execute(include_str!("sql/customer_placed.sql"), values![event.customer.as_str()]);
                return Ok(());
            }
            Event::Paid(_) => Status::Paid,
            Event::StockReserved(_) => {
                // What Stock reserves for an order that is not paid, the order does not take.
                let row = values![order, Status::StockReserved.as_str()];
                tables.execute(include_str!("sql/customer_order_reserved.sql"), row);
                return Ok(());
            }
            Event::Cancelled(_) => {
                tables.execute(include_str!("sql/customer_cancelled.sql"), values![order.as_str()]);
                Status::Cancelled
            }
        };
        tables.execute(include_str!("sql/customer_order_status.sql"), values![order, status.as_str()]);
        Ok(())
    }
}

/// Which orders of a customer to list.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Whose.
    pub customer: CustomerId,
    /// Those placed before this one.
    pub before: Option<OrderId>,
    /// At most so many.
    pub limit: u32,
}

impl Listing {
    /// Orders of one page unless told otherwise.
    pub const LIMIT_DEFAULT: u32 = 50;
    /// Most orders of one page.
    pub const LIMIT_MAX: u32 = 200;
}

/// A customer's orders as the API shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerView {
    customer_id: String,
    placed: i64,
    cancelled: i64,
    orders: Vec<LineView>,
    /// Where the next page is, when there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LineView {
    order_id: String,
    status: String,
    total: String,
    currency: String,
    placed_at: String,
}

/// A customer's orders, newest first.
///
/// # Errors
/// When the store fails.
pub async fn list(side: &ReadSide<CustomerOrders>, listing: &Listing) -> Result<CustomerView, StoreError> {
    let customer = listing.customer.as_str();
    let before = listing.before.map(|order| order.to_string());
    let params = values![customer, before, i64::from(listing.limit)];
    let rows = side.query(include_str!("sql/customer_orders_page.sql"), &params).await?;
    let counts = side.query(include_str!("sql/customer_counts.sql"), &values![customer]).await?;
    let count = |column: &str| counts.first().and_then(|row| row.get::<i64>(column).ok()).unwrap_or_default();
    let orders: Vec<LineView> = rows
        .iter()
        .map(|row| {
            let text = |column: &str| row.get::<String>(column).unwrap_or_default();
            LineView {
                order_id: text("order_id"),
                status: text("status"),
                total: text("total"),
                currency: text("currency"),
                placed_at: text("placed_at"),
            }
        })
        .collect();
    let is_full = u32::try_from(orders.len()).is_ok_and(|found| found == listing.limit);
    let next = orders.last().filter(|_| is_full).map(|last| {
        format!("/orders?customerId={customer}&limit={}&before={}", listing.limit, last.order_id)
    });
    Ok(CustomerView {
        customer_id: customer.to_owned(),
        placed: count("orders"),
        cancelled: count("cancelled"),
        orders,
        next,
    })
}
