//! A shop's customers: a catalog with personal data, its event, a projection that keeps some of it.

use std::sync::Arc;
use std::time::Duration;

use factum::contract::{CatalogSource, Contracts};
use factum::keys::KeyOptions;
use factum::store::Opened;
use factum::{
    Admin, Appended, ConsumerName, Envelope, Event, EventType, Expected, Failure, PartitionKey, Personal,
    Projection, Query, ReadSide, Recorded, Store, Table, Tables, values,
};

pub(crate) use crate::place::*;

pub(crate) const SOON: Duration = Duration::from_secs(60);

/// What must not be found anywhere.
pub(crate) const CANARY: &str = "canary-7f3a@example.org";

pub(crate) const CATALOG: CatalogSource = CatalogSource::new(
    r#"{"revision":1,"files":{
    "system.yaml":{"system":"shop","services":{"crm":{}},"topics":{"customer.open":{"open":true}}},
    "a.yaml":{"event":"customer.joined","version":1,"owner":"crm","key":"customerId","payload":{"type":"object",
      "required":["customerId","name"],"properties":{
      "customerId":{"type":"string","role":"identifier","personal":"self"},
      "name":{"type":"string","personal":"customerId"}}}},
    "b.yaml":{"event":"customer.joined","version":2,"owner":"crm","key":"customerId","payload":{"type":"object",
      "required":["customerId","email"],"properties":{
      "customerId":{"type":"string","role":"identifier","personal":"self"},
      "email":{"type":"string","personal":"customerId"},
      "plan":{"type":"string"}}},
      "upcast":[{"rename":{"name":"email"}}]},
    "c.yaml":{"event":"customer.told","version":1,"owner":"crm","key":"customerId","topic":"customer.open",
      "payload":{"type":"object","required":["customerId","email"],"properties":{
      "customerId":{"type":"string","personal":"self"},"email":{"type":"string","personal":"customerId"}}}}}}"#,
);

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Joined {
    pub(crate) customer_id: String,
    pub(crate) email: Personal<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<String>,
}

impl Event for Joined {
    const TYPE: EventType = EventType::event("customer.joined", 2, "customer", "customer.joined");

    fn key(&self) -> PartitionKey {
        self.customer_id.parse().unwrap()
    }
}

pub(crate) fn joined(customer: &str, email: &str) -> Envelope {
    let event =
        Joined { customer_id: customer.to_owned(), email: Personal::from(email.to_owned()), plan: None };
    Envelope::of(&event).unwrap()
}

/// Keeps each customer's address: a table with personal data.
pub(crate) struct Addresses;

impl Projection for Addresses {
    const NAME: ConsumerName = ConsumerName::constant("addresses");
    const VERSION: u32 = 1;
    type Input = Joined;

    fn tables() -> Vec<Table> {
        vec![
            Table::new("addresses", "customer_id text primary key, email text")
                .personal("customer_id", &["email"]),
        ]
    }

    async fn apply(&self, event: Joined, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        tables.execute(
            "insert into {addresses} (customer_id, email) values ($1, $2)
             on conflict (customer_id) do update set email = excluded.email",
            values![event.customer_id, event.email.into_known()],
        );
        Ok(())
    }
}

pub(crate) async fn open(url: &str, keys: KeyOptions) -> Opened {
    factum::open_with(url, Contracts::try_from(CATALOG).unwrap(), keys).await.unwrap()
}

pub(crate) async fn append(store: &Arc<dyn Store>, event: &Envelope) -> Appended {
    let stream = event.stream().unwrap();
    store.append(&stream, Expected::Any, std::slice::from_ref(event)).await.unwrap()
}

pub(crate) async fn last(store: &Arc<dyn Store>) -> Recorded {
    store.read(&Query::all()).await.unwrap().events.pop().unwrap()
}

pub(crate) async fn forget(opened: &Opened, subject: &str) -> factum::admin::Forgot {
    let admin = Admin::new(opened.store.clone()).actor("ann");
    admin.forget(subject, opened.maintenance.as_ref(), &mut |_, _| {}).await.unwrap()
}

/// The address that the projection keeps of a customer: `None` without a row.
pub(crate) async fn address(store: &Arc<dyn Store>, customer: &str) -> Option<Option<String>> {
    let side = ReadSide::<Addresses>::new(store.clone());
    let rows =
        side.query("select email from {addresses} where customer_id = $1", &values![customer]).await.unwrap();
    rows.first().map(|row| row.get::<Option<String>>("email").unwrap())
}
