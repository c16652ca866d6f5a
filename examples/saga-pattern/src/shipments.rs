//! The read side: where each parcel is.

use factum::prelude::*;
use factum::{ConsumerName, Table};

use crate::contracts::{OrderDelivered, OrderShipped};

event_set! {
    /// What is known of parcels.
    pub enum Parcel { OrderShipped, OrderDelivered }
}

/// A row for each parcel.
pub struct Shipments;

impl Projection for Shipments {
    const NAME: ConsumerName = ConsumerName::constant("shipments");
    const VERSION: u32 = 1;
    type Input = Parcel;

    fn tables() -> Vec<Table> {
        let columns = "order_id text primary key, tracking text not null, carrier text not null, \
                       estimated text not null, is_delivered boolean not null";
        vec![Table::new("shipments", columns)]
    }

    async fn apply(&self, event: Parcel, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        match event {
            Parcel::OrderShipped(shipped) => tables.execute(
                "insert into {shipments} (order_id, tracking, carrier, estimated, is_delivered) \
                 values ($1, $2, $3, $4, false)",
                values![
                    shipped.order_id().as_str(),
                    shipped.tracking_number().as_str(),
                    shipped.carrier().as_str(),
                    shipped.estimated_delivery().to_string()
                ],
            ),
            Parcel::OrderDelivered(delivered) => tables.execute(
                "update {shipments} set is_delivered = true where order_id = $1",
                values![delivered.order_id().as_str()],
            ),
        }
        Ok(())
    }
}
