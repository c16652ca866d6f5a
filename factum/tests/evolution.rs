//! Events that changed: a type under a new name, and a field that was split in two, for readers of both ages.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::convert::Infallible;

use factum::contract::{Catalog, Contract, Contracts, Source};
use factum::testing::given;
use factum::{Decider, Envelope, Event, EventType, Gate, PartitionKey, event_set};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Joined {
    customer: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Registered {
    customer: String,
}

impl Event for Joined {
    const TYPE: EventType = EventType::event("customer.joined", 1, "customer", "customer.joined");

    fn key(&self) -> PartitionKey {
        self.customer.parse().unwrap()
    }
}

impl Event for Registered {
    const TYPE: EventType = EventType::event("customer.registered", 1, "customer", "customer.registered");

    fn key(&self) -> PartitionKey {
        self.customer.parse().unwrap()
    }
}

const SYSTEM: &str =
    "system: crm\nteams: { crm: {} }\nservices: { crm: { team: crm, emits: [customer.named] } }\n";

const FIRST: &str = r#"
event: customer.named
version: 1
summary: A customer said who they are.
owner: crm
key: customerId
payload:
  type: object
  required: [customerId, name]
  properties:
    customerId: { type: string, role: identifier }
    name: { type: string }
examples: [{ customerId: c-1, name: Ada Lovelace }]
"#;

const SECOND: &str = r#"
event: customer.named
version: 2
summary: A customer said who they are.
owner: crm
key: customerId
payload:
  type: object
  required: [customerId, first, last]
  properties:
    customerId: { type: string, role: identifier }
    first: { type: string }
    last: { type: string }
examples: [{ customerId: c-1, first: Ada, last: Lovelace }]
upcast: [{ split: { field: name, by: " ", into: [first, last] } }]
"#;

fn release(contracts: &[&str]) -> Contracts {
    let mut sources = vec![Source::new("system.yaml", SYSTEM)];
    let files = contracts.iter().enumerate();
    sources.extend(
        files.map(|(number, text)| Source::new(format!("customer.named.v{}.yaml", number + 1), *text)),
    );
    Contracts::new(Catalog::read(&sources).unwrap_or_else(|error| panic!("{error}"))).unwrap()
}

fn contract_of(release: &Contracts, version: u32) -> Contract {
    let text = release.catalog().contract("customer.named", version).unwrap().to_json_text();
    Contract::of_json_text(&text).unwrap()
}

/// What a reader of one version is given of an event of another.
fn read(release: &Contracts, written: u32, known: u32, payload: Value) -> Value {
    let of = |version| EventType { version, ..NAMED };
    let envelope = Envelope::raw(of(written), "c-1".parse().unwrap(), payload.to_string().into());
    let opened = release.open(&envelope, &of(known)).unwrap().unwrap_or(envelope);
    serde_json::from_slice(&opened.data).unwrap()
}

const NAMED: EventType = EventType::event("customer.named", 1, "customer", "customer.named");

// quote: begin
event_set! {
    /// What was called `customer.joined` is `customer.registered` since. The old name stays in the log for good.
    #[derive(Debug, Clone, PartialEq)]
    enum CustomerEvent { Joined, Registered }
}

struct Customer;

impl Decider for Customer {
    type Command = String;
    type Event = CustomerEvent;
    type State = bool;
    type Refusal = Infallible;

    fn evolve(_: bool, event: &CustomerEvent) -> bool {
        match event {
            CustomerEvent::Joined(_) | CustomerEvent::Registered(_) => true,
        }
    }

    fn decide(is_known: &bool, customer: String) -> Result<Vec<CustomerEvent>, Infallible> {
        Ok(if *is_known { vec![] } else { vec![Registered { customer }.into()] })
    }
}

#[test]
fn an_event_under_its_old_name_counts_as_under_its_new_one() {
    let joined = Joined { customer: "c-1".into() };
    assert_eq!(given::<Customer>([joined]).when("c-1".into()), Ok(vec![]));
    let registered = Registered { customer: "c-1".into() };
    assert_eq!(given::<Customer>(Vec::<Joined>::new()).when("c-1".into()), Ok(vec![registered.into()]));
}

#[test]
fn a_name_that_was_split_in_two_is_read_by_releases_of_both_ages() {
    let (whole, parts) = (
        json!({ "customerId": "c-1", "name": "Grace Hopper" }),
        json!({ "customerId": "c-1", "first": "Grace", "last": "Hopper" }),
    );
    // `upcast: [{ split: { field: name, by: " ", into: [first, last] } }]` stands in version 2.
    let new = release(&[FIRST, SECOND]);
    assert_eq!(read(&new, 1, 2, whole.clone()), parts);
    // An older release learns of version 2 from the store, and needs no new code.
    let old = release(&[FIRST]);
    old.learn(contract_of(&new, 2));
    assert_eq!(read(&old, 2, 1, parts), whole);
}
// quote: end
