//! What scaffolded Rust tests stand on: a store in memory, the program on it, and words to say what must be so.
//!
//! One file per slice, to be read and changed; its two DECIDE places are all that the plan cannot know.

use super::Plan;

/// The file `slice.rs` of a suite.
pub(super) fn text(plan: &Plan<'_>) -> String {
    let first = plan.events.first();
    let request = first
        .filter(|event| event.cause.is_none())
        .map(|event| format!("how {} is asked for what makes {} happen", event.producer, event.name));
    let is_asked = request.map_or_else(String::new, |request| IS_ASKED.replace("@request", &request));
    let module = plan.request.code.catalog_code.as_deref().unwrap_or("src/contracts.rs");
    let inside = module.trim_start_matches("src/").trim_end_matches(".rs").replace('/', "::");
    let (declared, path) = match (&plan.dialect.package, plan.request.code.has_library) {
        (Some(package), true) => (String::new(), format!("{}::{inside}", package.replace('-', "_"))),
        _ => (format!("#[path = \"../../{module}\"]\nmod contracts;\n\n"), "self::contracts".to_owned()),
    };
    TEXT.replace("@declared", &declared).replace("@contracts", &path).replace("@is_asked", &is_asked)
}

const IS_ASKED: &str = r##"
    /// DECIDE: @request.
    pub(crate) async fn is_asked(&self) {
        panic!("DECIDE: @request");
    }
"##;

const TEXT: &str = r##"//! A store in memory with the program on it, and words to say what must be so.

#![allow(dead_code, reason = "a slice needs some of it")]

use std::sync::Arc;
use std::time::Duration;

use factum::admin::Which;
use factum::contract::fixture::Fixtures;
use factum::contract::{Contract, Contracts};
use factum::contract::rt::serde_json::{self, Value, json};
use factum::{App, Envelope, Query, Running, Store};

@declareduse @contracts::CATALOG;

/// Longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// DECIDE: put the program together as `main` does, with what this slice adds. Whatever runs here is tested.
pub(crate) fn app(store: Arc<dyn Store>) -> App {
    App::new(store).partial()
}

/// The program of a test.
pub(crate) struct Slice {
    running: Running,
    contracts: Contracts,
}

impl Slice {
    pub(crate) async fn start() -> Self {
        let store = factum::open("memory:", CATALOG).await.unwrap();
        Self { running: app(store).start().await.unwrap(), contracts: contracts() }
    }

    /// Has the first example of an event happen, and waits for all that it causes; answers its payload.
    pub(crate) async fn happens(&self, name: &str) -> Value {
        let payload = contract(name).example();
        self.publish(self.envelope(name, &payload)).await;
        payload
    }

    /// The same event, delivered twice, and once more under another id.
    pub(crate) async fn happens_twice(&self, name: &str) {
        let envelope = self.envelope(name, &contract(name).example());
        self.publish(envelope.clone()).await;
        self.publish(envelope).await;
    }

    pub(crate) async fn happens_without_optional(&self, name: &str) {
        let contract = contract(name);
        let payload = contract.fixtures().valid(0).expect("the contract has a smallest payload");
        self.publish(self.envelope(name, &payload)).await;
    }

    pub(crate) async fn happens_with_unknown(&self, name: &str) {
        let mut payload = contract(name).example();
        payload["somethingNew"] = json!("of a later version");
        self.publish(self.envelope(name, &payload)).await;
    }
@is_asked
    fn envelope(&self, name: &str, payload: &Value) -> Envelope {
        self.contracts.envelope(name, payload.to_string().into_bytes().into()).unwrap()
    }

    async fn publish(&self, envelope: Envelope) {
        self.running.admin().publish(envelope).await.unwrap();
        self.running.settled(PATIENCE).await.unwrap();
    }

    async fn payloads(&self, name: &str) -> Vec<Value> {
        let page = self.running.store().read(&Query::all()).await.unwrap();
        let ours = page.events.iter().filter(|event| event.envelope.event_type.name.as_str() == name);
        ours.map(|event| serde_json::from_slice(&event.envelope.data).unwrap()).collect()
    }

    /// The payload of the one event of this name.
    pub(crate) async fn only(&self, name: &str) -> Value {
        self.has_contract(name);
        let mut found = self.payloads(name).await;
        assert!(!found.is_empty(), "`{name}` is not emitted");
        assert_eq!(found.len(), 1, "`{name}` is emitted more than once");
        found.remove(0)
    }

    pub(crate) fn has_contract(&self, name: &str) {
        contract(name);
    }

    pub(crate) fn flaw(&self, name: &str, payload: &Value) -> Option<(String, String)> {
        flaw(&contract(name), payload.clone())
    }

    /// The catalog has the consumer, the program runs it, and it has come to the end of the log.
    pub(crate) async fn has_handled(&self, consumer: &str, event: &str) {
        let system = &self.contracts.catalog().system;
        let consumers = system.consumers.iter().map(|(name, spec)| (name.as_str(), spec.on.as_slice()));
        let views = system.projections.iter().map(|(name, spec)| (name.as_str(), spec.on.as_slice()));
        let takes = consumers.chain(views).any(|(name, on)| name == consumer && on.iter().any(|on| on.value.as_str() == event));
        assert!(takes, "`{consumer}` does not handle `{event}`");
        self.runs(consumer, event);
        self.running.settled(PATIENCE).await.unwrap();
        self.has_no_dead_letters().await;
    }

    /// The program runs the consumer.
    pub(crate) fn runs(&self, consumer: &str, event: &str) {
        let runs = self.running.health().iter().any(|(name, _)| name.as_str().starts_with(consumer));
        assert!(runs, "`{event}` is not routed to `{consumer}`: it does not run");
    }

    /// The catalog says that the service says the event: by itself, in a consumer or in a saga.
    pub(crate) fn is_said_by(&self, event: &str, service: &str) {
        let catalog = self.contracts.catalog();
        let flow = factum::contract::flow::Flow::of(catalog);
        let name = event.parse().unwrap();
        let says = flow.senders(&name).any(|arrow| arrow.service.as_str() == service);
        assert!(says, "{service} does not emit {event} in the catalog");
    }

    /// A payload that breaks its contract comes no further than the gate.
    pub(crate) async fn refuses_broken(&self, name: &str) {
        let before = self.payloads(name).await.len();
        for broken in contract(name).fixtures().broken() {
            let answer = self.contracts.envelope(name, broken.json.into_bytes().into());
            assert!(answer.is_err(), "{} was let through", broken.what);
        }
        assert_eq!(self.payloads(name).await.len(), before);
    }

    pub(crate) async fn has_no_dead_letters(&self) {
        for which in [Which::Dead, Which::Refused, Which::Parked] {
            let letters = self.running.admin().letters(which, None).await.unwrap();
            let reasons: Vec<&str> = letters.iter().map(|letter| letter.troubled.reason.as_str()).collect();
            assert!(reasons.is_empty(), "not handled: {reasons:?}");
        }
    }
}

fn contracts() -> Contracts {
    Contracts::try_from(CATALOG).unwrap()
}

/// A contract, with what tests want of it.
pub(crate) struct Tested {
    contract: Contract,
}

/// The newest version of a contract.
pub(crate) fn contract(name: &str) -> Tested {
    let contracts = contracts();
    let found = contracts.catalog().versions(name).next_back().cloned();
    let contract = found.unwrap_or_else(|| panic!("there is no contract `{name}`"));
    Tested { contract }
}

impl Tested {
    /// Its first example.
    pub(crate) fn example(&self) -> Value {
        self.contract.examples.first().expect("the contract has an example").to_json()
    }

    pub(crate) fn fixtures(&self) -> Fixtures {
        Fixtures::of(&self.contract).unwrap()
    }

    /// A payload that breaks one rule.
    pub(crate) fn broken(&self, rule: &str, path: &str) -> Value {
        let all = self.fixtures().broken();
        let found = all.iter().find(|broken| broken.rule == rule && broken.path == path);
        let found = found.unwrap_or_else(|| panic!("the contract has no rule `{rule}` at `{path}`"));
        serde_json::from_str(&found.json).unwrap_or_else(|_| Value::String(found.json.clone()))
    }

    pub(crate) fn example_with_another(&self, field: &str) -> Value {
        let mut example = self.example();
        let other = (1..100).find_map(|seed| self.fixtures().valid(seed).map(|payload| payload[field].clone()).filter(|value| *value != example[field]));
        example[field] = other.expect("the field can have another value");
        example
    }
}

/// The rule that a payload breaks, and where; none when it is valid.
pub(crate) fn flaw(contract: &Tested, payload: Value) -> Option<(String, String)> {
    let contracts = contracts();
    let answer = contracts.check(&contract.contract.event_type(), payload.to_string().as_bytes()).map(|_| ());
    answer.err().map(|breach| (breach.rule.to_string(), breach.path))
}
"##;
