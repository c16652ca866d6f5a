//! Read model: where each order stands.

use factum::{ConsumerName, Failure, Projection, ReadSide, Row, StoreError, Table, Tables, values};
use serde::{Deserialize, Serialize};

use crate::orders::domain::{Address, Event, Line, Lines, Status};
use crate::values::{Email, OrderId};

/// One row per order, with everything that `GET /orders/{id}` answers.
#[derive(Debug, Clone, Copy)]
pub struct OrderSummary;

impl Projection for OrderSummary {
    const NAME: ConsumerName = ConsumerName::constant("order_summary");
    const VERSION: u32 = 2;
    type Input = Event;

    fn tables() -> Vec<Table> {
        vec![
            Table::new("order_summary", include_str!("sql/summary_columns.sql"))
                .personal("customer_id", &["email"]),
        ]
    }

    async fn apply(&self, event: Event, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        let order = event.order().to_string();
        match event {
            Event::Placed(event) => tables.execute(
                include_str!("sql/summary_placed.sql"),
                values![
                    order,
                    event.customer.as_str(),
                    items(&event.lines),
                    event.lines.total().amount().to_string(),
                    event.lines.total().currency().as_str(),
                    Status::AwaitingPayment.as_str(),
                    event.at.to_string(),
                    event.email.as_ref().map(Email::as_str),
                ],
            ),
            Event::Paid(event) => tables.execute(
                include_str!("sql/summary_paid.sql"),
                values![order, Status::Paid.as_str(), event.at.to_string(), event.payment.to_string()],
            ),
            Event::StockReserved(event) => tables.execute(
                include_str!("sql/summary_reserved.sql"),
                values![
                    order,
                    Status::StockReserved.as_str(),
                    event.at.to_string(),
                    event.reservation.to_string()
                ],
            ),
            Event::Cancelled(event) => tables.execute(
                include_str!("sql/summary_cancelled.sql"),
                values![
                    order,
                    Status::Cancelled.as_str(),
                    event.at.to_string(),
                    event.by.as_str(),
                    event.reason.as_str(),
                    event.refund.map(|refund| refund.amount.to_string()),
                ],
            ),
        }
        Ok(())
    }
}

/// An order as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    order_id: String,
    customer_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    status: String,
    items: Vec<ItemView>,
    total: String,
    currency: String,
    placed_at: String,
    #[serde(flatten)]
    later: LaterView,
    /// How many events have shaped the order.
    changes: i64,
    /// Where to: from the shipping records, not from the read model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<AddressView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemView {
    product_id: String,
    quantity: u32,
    price: String,
}

/// What an order gets in the course of its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LaterView {
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund: Option<String>,
}

/// An address as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressView {
    street: String,
    city: String,
    postal_code: String,
    country: String,
}

impl From<Address> for AddressView {
    fn from(address: Address) -> Self {
        Self {
            street: address.street().to_owned(),
            city: address.city().to_owned(),
            postal_code: address.postal_code().to_owned(),
            country: address.country().to_owned(),
        }
    }
}

/// The items of an order, as they are kept in the table and shown by the API.
fn items(lines: &Lines) -> String {
    let item = |line: &Line| ItemView {
        product_id: line.product.to_string(),
        quantity: line.quantity.number(),
        price: line.price.amount().to_string(),
    };
    let items: Vec<ItemView> = lines.iter().map(item).collect();
    serde_json::to_string(&items).expect("texts and numbers always have a JSON form")
}

/// An order, when the read model knows it.
///
/// # Errors
/// When the store fails.
pub async fn find(side: &ReadSide<OrderSummary>, order: OrderId) -> Result<Option<OrderView>, StoreError> {
    let rows = side.query(include_str!("sql/summary_find.sql"), &values![order.to_string()]).await?;
    Ok(rows.first().map(shown))
}

fn shown(row: Row<'_>) -> OrderView {
    let text = |column: &str| row.get::<String>(column).unwrap_or_default();
    let maybe = |column: &str| row.get::<Option<String>>(column).ok().flatten();
    OrderView {
        order_id: text("order_id"),
        customer_id: text("customer_id"),
        email: maybe("email"),
        status: text("status"),
        items: serde_json::from_str(&text("items")).unwrap_or_default(),
        total: text("total"),
        currency: text("currency"),
        placed_at: text("placed_at"),
        later: LaterView {
            paid_at: maybe("paid_at"),
            payment_id: maybe("payment_id"),
            reserved_at: maybe("reserved_at"),
            reservation_id: maybe("reservation_id"),
            cancelled_at: maybe("cancelled_at"),
            cancelled_by: maybe("cancelled_by"),
            cancel_reason: maybe("cancel_reason"),
            refund: maybe("refund"),
        },
        changes: row.get("changes").unwrap_or_default(),
        shipping_address: None,
    }
}
