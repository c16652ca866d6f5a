//! A catalog at work: admits events to a store, and opens them for readers.
//!
//! Validators are compiled once. A contract version that the catalog lacks is never guessed at.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use factum_core::{
    Breach, Bytes, ContentType, ContractVersion, Envelope, EventType, Gate, Keys, PartitionKey, Tags,
    Unopened, WriteError,
};
use serde_json::Value;

use crate::catalog::{Catalog, CatalogError, CatalogSource};
use crate::check::{UpcastFault, upcasts};
use crate::contract::Contract;
use crate::upcast::{Step, fill_defaults};
use crate::validate::{Checked, Flaw, PatternError, Validator};

mod later;
mod newer;
mod personal;

use later::Later;
use personal::PersonalContract;
pub use personal::open_all;

/// A function that turns a version's payload into the next one's.
pub type Upcaster = fn(&mut Value) -> Result<(), String>;

/// A catalog, compiled: the gate of a store.
///
/// ```
/// use factum_contract::{CatalogSource, Contracts};
/// use factum_core::{Bytes, Envelope, Gate};
/// # const CATALOG: CatalogSource = CatalogSource::new(r#"{"revision":1,"files":{
/// #   "system.yaml":{"system":"shop","services":{"orders":{}}},
/// #   "a.yaml":{"event":"order.placed","version":1,"owner":"orders","key":"orderId",
/// #     "payload":{"type":"object","required":["orderId"],"properties":{"orderId":{"type":"string"}}}}}}"#);
/// let contracts = Contracts::try_from(CATALOG)?;
/// let good = contracts.envelope("order.placed", Bytes::from_static(br#"{"orderId":"42"}"#))?;
/// assert_eq!(good.key, "42");
/// let breach = contracts.envelope("order.placed", Bytes::from_static(b"{}")).unwrap_err();
/// assert_eq!(breach.rule, "required");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Contracts {
    catalog: Arc<Catalog>,
    compiled: HashMap<String, Versions>,
    upcasters: HashMap<String, Upcaster>,
    /// The contracts that have personal data; mostly none or few.
    personal: Vec<PersonalContract>,
    keys: Option<Arc<dyn Keys>>,
    later: Arc<Later>,
}

type Versions = Vec<Compiled>;

#[derive(Debug, Clone)]
struct Compiled {
    event_type: EventType,
    validator: Validator,
    upcast: Vec<Step>,
}

/// A catalog that cannot be put to work.
#[derive(Debug, thiserror::Error)]
pub enum ContractsError {
    /// The catalog is broken.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A pattern cannot be used.
    #[error("contract {contract} cannot be compiled")]
    Pattern {
        /// The contract.
        contract: String,
        /// What is wrong with the pattern.
        source: PatternError,
    },
}

impl Contracts {
    /// Compiles a catalog.
    ///
    /// # Errors
    /// When a pattern cannot be used; a catalog that was checked has none such.
    pub fn new(catalog: Catalog) -> Result<Self, ContractsError> {
        let mut compiled: HashMap<String, Versions> = HashMap::new();
        let built_in = BUILT_IN.load()?;
        let missing =
            built_in.contracts().filter(|own| catalog.contract(own.name.as_str(), own.version).is_none());
        for contract in catalog.contracts().chain(missing) {
            let validator = Validator::of(contract)
                .map_err(|source| ContractsError::Pattern { contract: contract.label(), source })?;
            compiled.entry(contract.name.to_string()).or_default().push(Compiled {
                event_type: contract.event_type(),
                validator,
                upcast: contract.upcast.iter().map(|step| step.value.clone()).collect(),
            });
        }
        let personal = personal::of(&catalog);
        let (catalog, upcasters, later) = (Arc::new(catalog), HashMap::new(), Arc::default());
        Ok(Self { catalog, compiled, upcasters, personal, keys: None, later })
    }

    /// Registers the function behind an upcast step `code: <name>`.
    #[must_use]
    pub fn upcaster(mut self, name: impl Into<String>, upcaster: Upcaster) -> Self {
        self.upcasters.insert(name.into(), upcaster);
        self
    }

    /// Names of upcasters that contracts ask for and nobody registered.
    #[must_use]
    pub fn missing_upcasters(&self) -> Vec<String> {
        let steps = self.compiled.values().flatten().flat_map(|compiled| &compiled.upcast);
        let mut missing: Vec<String> = steps
            .filter_map(|step| match step {
                Step::Code(name) if !self.upcasters.contains_key(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        missing.sort();
        missing.dedup();
        missing
    }

    /// Upcast steps, functions included, that do not turn the examples of older versions into newer payloads.
    #[must_use]
    pub fn upcast_faults(&self) -> Vec<UpcastFault> {
        let call = |name: &str, value: &mut Value| match self.upcasters.get(name) {
            Some(upcaster) => upcaster(value),
            None => Err("none is registered".to_owned()),
        };
        upcasts::faults(&self.catalog, Some(&call))
    }

    /// Takes note of a contract version that another release brought, so that [`Gate::can_read`] knows what it
    /// promises. Versions of the catalog itself stay what they are.
    pub fn learn(&self, contract: Contract) {
        if self.catalog.contract(contract.name.as_str(), contract.version).is_none() {
            self.later.learn(contract);
        }
    }

    /// The catalog.
    #[must_use]
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The newest version's type of an event or command.
    #[must_use]
    pub fn newest(&self, name: &str) -> Option<&EventType> {
        Some(&self.compiled.get(name)?.last()?.event_type)
    }

    /// Checks a payload against a contract version.
    ///
    /// # Errors
    /// The first breach; `unknown-contract` when there is no such version.
    pub fn check<'p>(&self, event: &EventType, payload: &'p [u8]) -> Result<Checked<'p>, Breach> {
        let compiled = self.compiled(event)?;
        compiled.validator.check(payload).map_err(|flaw| flaw.into_breach(event))
    }

    /// An envelope around a JSON payload of the newest version, with key and tags as the contract says.
    ///
    /// # Errors
    /// When there is no such contract, or the payload breaks it.
    pub fn envelope(&self, name: &str, payload: Bytes) -> Result<Envelope, Breach> {
        let Some(compiled) = self.compiled.get(name).and_then(|versions| versions.last()) else {
            return Err(self.unknown(name, 0));
        };
        let event = &compiled.event_type;
        let key =
            compiled.validator.check(&payload).map_err(|flaw| flaw.into_breach(event))?.key.into_owned();
        let key: PartitionKey = key.try_into().map_err(|error: factum_core::NameError| {
            Flaw { path: String::new(), rule: "key", message: error.to_string() }.into_breach(event)
        })?;
        let tags = compiled.validator.tags(&payload);
        Ok(Envelope { tags, ..Envelope::raw(event.clone(), key, payload) })
    }

    /// The tags of a payload: every field that the contract marks `identifier`.
    ///
    /// # Errors
    /// `unknown-contract` when there is no such version.
    pub fn tags(&self, event: &EventType, payload: &[u8]) -> Result<Tags, Breach> {
        Ok(self.compiled(event)?.validator.tags(payload))
    }

    fn compiled(&self, event: &EventType) -> Result<&Compiled, Breach> {
        self.version(event.name.as_str(), event.version)
            .ok_or_else(|| self.unknown(event.name.as_str(), event.version))
    }

    fn version(&self, name: &str, version: ContractVersion) -> Option<&Compiled> {
        self.compiled.get(name)?.iter().find(|compiled| compiled.event_type.version == version)
    }

    fn unknown(&self, name: &str, version: ContractVersion) -> Breach {
        let versions: Vec<String> =
            self.catalog.versions(name).map(|contract| contract.version.to_string()).collect();
        let message = if versions.is_empty() {
            "expected a contract of the catalog, found none of this name".to_owned()
        } else {
            format!("expected version {} of the catalog, found {version}", versions.join(" or "))
        };
        Breach {
            event: name.to_owned(),
            version,
            path: String::new(),
            rule: "unknown-contract".to_owned(),
            message,
        }
    }

    /// Turns a payload of one version into one of a later version.
    ///
    /// Fields that a version requires and the one before did not have take the version's default, where it has one.
    pub(crate) fn upcast(
        &self,
        payload: &[u8],
        from: ContractVersion,
        known: &EventType,
    ) -> Result<Value, Breach> {
        let name = known.name.as_str();
        let failed = |message: String| Breach {
            event: name.to_owned(),
            version: from,
            path: String::new(),
            rule: "upcast".to_owned(),
            message,
        };
        let mut value: Value = serde_json::from_slice(payload).map_err(|error| failed(error.to_string()))?;
        for version in from + 1..=known.version {
            let next = self.version(name, version).ok_or_else(|| self.unknown(name, version))?;
            for step in &next.upcast {
                match step {
                    Step::Code(code) => {
                        let Some(upcaster) = self.upcasters.get(code) else {
                            return Err(failed(format!("expected an upcaster `{code}`, none is registered")));
                        };
                        upcaster(&mut value)
                            .map_err(|error| failed(format!("upcaster `{code}`: {error}")))?;
                    }
                    step => step.apply(&mut value).map_err(|error| failed(error.to_string()))?,
                }
            }
            if let Some(contract) = self.catalog.contract(name, version) {
                fill_defaults(&contract.payload, &mut value);
            }
        }
        Ok(value)
    }
}

impl From<std::convert::Infallible> for ContractsError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl TryFrom<CatalogSource> for Contracts {
    type Error = ContractsError;

    fn try_from(source: CatalogSource) -> Result<Self, ContractsError> {
        Self::new(source.load()?)
    }
}

impl Gate for Contracts {
    fn admit(&self, envelope: &Envelope) -> Result<(), Breach> {
        let event = &envelope.event_type;
        let compiled = self.compiled(event)?;
        let breach = |rule: &'static str, message: String| {
            Err(Flaw { path: String::new(), rule, message }.into_breach(event))
        };
        if compiled.event_type != *event {
            return breach("event-type", format!("expected {:?}, found {event:?}", compiled.event_type));
        }
        if !is_json(&envelope.content_type) {
            return breach(
                "content-type",
                format!("expected application/json, found {}", envelope.content_type),
            );
        }
        let checked = compiled.validator.check(&envelope.data).map_err(|flaw| flaw.into_breach(event))?;
        if envelope.key != *checked.key {
            let field = self.catalog.contract(event.name.as_str(), event.version).map(key_field);
            let message = format!("expected the key to be the payload's {}", field.unwrap_or("key field"));
            return breach("key", message);
        }
        Ok(())
    }

    fn seal(&self, events: &[Envelope]) -> Result<Option<Vec<Bytes>>, WriteError> {
        self.seal_all(events)
    }

    fn open(&self, envelope: &Envelope, known: &EventType) -> Result<Option<Envelope>, Unopened> {
        let written = envelope.event_type.version;
        let opened = self.opened(envelope)?;
        let data = opened.as_ref().unwrap_or(&envelope.data);
        let changed = || opened.clone().map(|data| Envelope { data, ..envelope.clone() });
        if written > known.version && self.version(known.name.as_str(), written).is_none() {
            // A version that this instance does not have: whether it may be read was settled by `can_read`.
            return match self.is_promised(&envelope.event_type, known) {
                true => Ok(changed()),
                false => Ok(Some(self.cast_down(envelope, data, known)?)),
            };
        }
        self.check(&envelope.event_type, data)?;
        if written >= known.version {
            return match written == known.version || self.is_promised(&envelope.event_type, known) {
                true => Ok(changed()),
                false => Ok(Some(self.cast_down(envelope, data, known)?)),
            };
        }
        let value = self.upcast(data, written, known)?;
        let data = Bytes::from(value.to_string());
        self.check(known, &data).map_err(|breach| Breach {
            message: format!("after upcasting from version {written}: {}", breach.message),
            ..breach
        })?;
        Ok(Some(Envelope { event_type: known.clone(), data, ..envelope.clone() }))
    }

    fn outgoing(&self, envelope: &Envelope) -> Result<Option<Envelope>, Unopened> {
        self.for_topic(envelope)
    }

    fn keys(&self) -> Option<&Arc<dyn Keys>> {
        self.keys.as_ref()
    }

    /// Older versions are read through their upcast steps. Newer ones when each version on the way, of the catalog or
    /// [learned](Contracts::learn), promises it to the one before; past the next version, when the promise is to all
    /// before or the judge proves it. Without a promise, when the upcast steps on the way can be undone, which every
    /// example of the newer version must show.
    fn can_read(&self, written: &EventType, known: &EventType) -> bool {
        let name = known.name.as_str();
        let has = |version| self.version(name, version).is_some();
        if written.version <= known.version {
            return (written.version..=known.version).all(has);
        }
        self.is_promised(written, known) || self.is_cast_down(written, known)
    }

    fn catalog(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(self)
    }
}

impl fmt::Debug for Contracts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contracts").field("system", &self.catalog.system.name).finish_non_exhaustive()
    }
}

/// Contracts of Factum's own events, beside those of every catalog; a catalog that describes one itself has its way.
const BUILT_IN: CatalogSource = CatalogSource::new(include_str!("contracts/built_in.json"));

fn key_field(contract: &Contract) -> &str {
    &contract.key
}

fn is_json(content_type: &ContentType) -> bool {
    let text = content_type.as_str();
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOG: CatalogSource = CatalogSource::new(
        r#"{"revision":1,"files":{
        "system.yaml":{"system":"shop","services":{"orders":{}}},
        "a.yaml":{"event":"order.placed","version":1,"owner":"orders","key":"orderId","payload":{"type":"object",
          "required":["orderId","name"],"properties":{"orderId":{"type":"string","format":"uuid","role":"identifier"},
          "name":{"type":"string"}}}},
        "b.yaml":{"event":"order.placed","version":2,"owner":"orders","key":"orderId","compatibility":"full",
          "payload":{"type":"object","required":["orderId","first","last"],
          "properties":{"orderId":{"type":"string","format":"uuid","role":"identifier"},
          "first":{"type":"string"},"last":{"type":"string"},"size":{"type":"string"}}},
          "upcast":[{"split":{"field":"name","into":["first","last"]}},{"code":"size"}]}}}"#,
    );
    const V1: EventType = EventType::event("order.placed", 1, "order", "order.placed");
    const V2: EventType = EventType::event("order.placed", 2, "order", "order.placed");
    const ID: &str = "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c";

    fn contracts() -> Contracts {
        Contracts::try_from(CATALOG).unwrap()
    }

    fn refusal(opened: Result<Option<Envelope>, Unopened>) -> Breach {
        match opened {
            Err(Unopened::Breach(breach)) => breach,
            other => panic!("expected a breach, found {other:?}"),
        }
    }

    fn placed(event_type: EventType, key: &str, data: &str) -> Envelope {
        Envelope::raw(event_type, key.parse().unwrap(), data.to_owned().into())
    }

    #[test]
    fn an_event_that_breaks_its_contract_is_refused_by_rule() {
        let good = format!(r#"{{"orderId":"{ID}","first":"a","last":"b"}}"#);
        let contracts = contracts();
        assert_eq!(contracts.admit(&placed(V2, ID, &good)), Ok(()));
        let elsewhere = EventType::event("order.placed", 2, "orders", "order.placed");
        let v3 = EventType { version: 3, ..V2 };
        let text = Envelope { content_type: ContentType::constant("text/plain"), ..placed(V2, ID, &good) };
        let cases = [
            (placed(V2, ID, "{}"), "required"),
            (placed(V2, ID, "{"), "json"),
            (placed(V2, "other", &good), "key"),
            (placed(elsewhere, ID, &good), "event-type"),
            (placed(v3, ID, &good), "unknown-contract"),
            (text, "content-type"),
        ];
        for (envelope, rule) in cases {
            assert_eq!(contracts.admit(&envelope).unwrap_err().rule, rule, "{envelope:?}");
        }
    }

    #[test]
    fn an_older_event_is_opened_as_the_version_that_is_known() {
        let old = placed(V1, ID, &format!(r#"{{"orderId":"{ID}","name":"Ada Byron"}}"#));
        let contracts = contracts();
        assert_eq!(contracts.missing_upcasters(), ["size"]);
        assert_eq!(refusal(contracts.open(&old, &V2)).rule, "upcast");
        let contracts = contracts.upcaster("size", |payload| {
            payload["size"] = "S".into();
            Ok(())
        });
        let opened = contracts.open(&old, &V2).unwrap().unwrap();
        assert_eq!(opened.event_type, V2);
        let value: Value = serde_json::from_slice(&opened.data).unwrap();
        assert_eq!(value, serde_json::json!({"orderId": ID, "first": "Ada", "last": "Byron", "size": "S"}));
    }

    #[test]
    fn an_upcast_event_must_fit_the_version_it_becomes() {
        let old = placed(V1, ID, &format!(r#"{{"orderId":"{ID}","name":"Ada"}}"#));
        let breach = refusal(contracts().upcaster("size", |_| Ok(())).open(&old, &V2));
        assert_eq!((breach.rule.as_str(), breach.version), ("required", 2));
    }

    #[test]
    fn a_newer_version_is_read_when_it_promises_so() {
        let contracts = contracts();
        assert!(contracts.can_read(&V2, &V1), "version 2 is full");
        assert!(contracts.can_read(&V1, &V2));
        assert!(!contracts.can_read(&EventType { version: 3, ..V2 }, &V2));
    }

    #[test]
    fn a_version_of_another_release_is_read_when_it_promises_so() {
        let contracts = contracts();
        let v3 = EventType { version: 3, ..V2 };
        let text = contracts.catalog().contract("order.placed", 2).unwrap().to_json_text();
        let of = |version: u32, promise: &str| {
            let text = text.replace("\"version\":2", &format!("\"version\":{version}"));
            let text =
                text.replace("\"compatibility\":\"full\"", &format!("\"compatibility\":\"{promise}\""));
            Contract::of_json_text(&text).unwrap()
        };
        contracts.learn(of(3, "backward"));
        assert!(!contracts.can_read(&v3, &V2), "only its own readers may read what came before");
        contracts.learn(of(3, "forward"));
        assert!(contracts.can_read(&v3, &V2));
        let v4 = EventType { version: 4, ..V2 };
        contracts.learn(of(4, "forward-transitive"));
        assert!(contracts.can_read(&v4, &V2) && contracts.can_read(&v4, &V1));
        contracts.learn(of(2, "none"));
        assert!(contracts.can_read(&V2, &V1), "what the catalog itself says stays");
    }

    #[test]
    fn an_envelope_takes_key_and_tags_from_its_payload() {
        let upper = ID.to_uppercase();
        let payload = format!(r#"{{"orderId":"{upper}","first":"a","last":"b"}}"#);
        let envelope = contracts().envelope("order.placed", payload.into()).unwrap();
        assert_eq!((envelope.key.as_str(), envelope.tags.value("orderId")), (ID, Some(ID)));
        assert_eq!(contracts().admit(&envelope), Ok(()));
        let error = contracts().envelope("order.plced", "{}".into()).unwrap_err();
        assert_eq!(error.rule, "unknown-contract");
    }
}
