//! Versions newer than a reader knows: read as they are where that is promised, else cast down where that can be shown.

use std::sync::Arc;

use factum_core::{Breach, Bytes, ContractVersion, Envelope, EventType};
use serde_json::Value;

use super::Contracts;
use crate::contract::{Compatibility, Contract};
use crate::downcast;

impl Contracts {
    /// Whether each version on the way promises its events to readers of the one before.
    pub(super) fn is_promised(&self, written: &EventType, known: &EventType) -> bool {
        let name = known.name.as_str();
        let promises = |version| self.promise(name, version).is_some_and(Compatibility::is_forward);
        if !(known.version + 1..=written.version).all(promises) {
            return false;
        }
        let is_next = written.version == known.version + 1;
        is_next
            || self.promise(name, written.version).is_some_and(Compatibility::is_transitive)
            || self.is_proven(name, written.version, known.version)
    }

    fn promise(&self, name: &str, version: ContractVersion) -> Option<Compatibility> {
        self.declared(name, version).map(|contract| contract.compatibility)
    }

    fn is_proven(&self, name: &str, written: ContractVersion, known: ContractVersion) -> bool {
        let Some(known) = self.catalog.contract(name, known) else { return false };
        self.declared(name, written).is_some_and(|written| self.later.is_proven(known, &written))
    }

    /// Whether payloads of a newer version become those of the known one by undoing the upcast steps between.
    pub(super) fn is_cast_down(&self, written: &EventType, known: &EventType) -> bool {
        let name = known.name.as_str();
        self.later.is_cast_down(name, written.version, known.version, || {
            let (Some(newer), Some(known)) =
                (self.between(written, known), self.version(name, known.version))
            else {
                return false;
            };
            let newer: Vec<&Contract> = newer.iter().map(|contract| &**contract).collect();
            let contract = self.catalog.contract(name, known.event_type.version);
            contract.is_some_and(|contract| downcast::is_downcast(&newer, contract, &known.validator))
        })
    }

    /// The envelope as a reader of an older version knows it.
    pub(super) fn cast_down(
        &self,
        envelope: &Envelope,
        data: &[u8],
        known: &EventType,
    ) -> Result<Envelope, Breach> {
        let written = &envelope.event_type;
        let failed = |message: String| Breach {
            event: known.name.to_string(),
            version: written.version,
            path: String::new(),
            rule: "downcast".to_owned(),
            message,
        };
        let contract = self.catalog.contract(known.name.as_str(), known.version);
        let newer = self.between(written, known);
        let (Some(contract), Some(newer)) = (contract, newer) else {
            return Err(failed(format!("expected a version up to {}", known.version)));
        };
        let newer: Vec<&Contract> = newer.iter().map(|contract| &**contract).collect();
        let mut value: Value = serde_json::from_slice(data).map_err(|error| failed(error.to_string()))?;
        downcast::downcast(&newer, contract, &mut value).map_err(failed)?;
        let data = Bytes::from(value.to_string());
        self.check(known, &data).map_err(|breach| Breach {
            message: format!("after casting down from version {}: {}", written.version, breach.message),
            ..breach
        })?;
        Ok(Envelope { event_type: known.clone(), data, ..envelope.clone() })
    }

    /// The versions after the known one, newest first; `None` when one of them is not known here.
    fn between(&self, written: &EventType, known: &EventType) -> Option<Vec<Arc<Contract>>> {
        let versions = (known.version + 1..=written.version).rev();
        versions.map(|version| self.declared(known.name.as_str(), version)).collect()
    }

    /// A version, of this catalog or of another release.
    fn declared(&self, name: &str, version: ContractVersion) -> Option<Arc<Contract>> {
        let own = self.catalog.contract(name, version).map(|contract| Arc::new(contract.clone()));
        own.or_else(|| self.later.get(name, version))
    }
}

#[cfg(test)]
mod tests {
    use factum_core::{Envelope, EventType, Gate as _, PartitionKey};

    use crate::contract::Contract;
    use crate::{Catalog, Contracts, Source};

    const V1: EventType = EventType::event("customer.joined", 1, "customer", "customer.joined");

    fn contract(version: u32, fields: &str, example: &str, upcast: &str) -> Contract {
        let text = format!(
            r#"{{"event":"customer.joined","version":{version},"summary":"A customer joined.","owner":"crm","key":"customerId",
                "compatibility":"backward","payload":{{"type":"object","required":["customerId"],"properties":{{
                "customerId":{{"type":"string","role":"identifier"}},{fields}}}}},
                "examples":[{{"customerId":"c-1",{example}}}],"upcast":[{upcast}]}}"#
        );
        Contract::of_json_text(&text).unwrap()
    }

    const NAME: (&str, &str) = (r#""name":{"type":"string"}"#, r#""name":"Ada Lovelace""#);
    const PARTS: (&str, &str) =
        (r#""first":{"type":"string"},"last":{"type":"string"}"#, r#""first":"Ada","last":"Lovelace""#);
    const SPLIT: &str = r#"{"split":{"field":"name","by":" ","into":["first","last"]}}"#;

    /// A release that knows the first version alone.
    fn old() -> Contracts {
        let system =
            "system: crm\nteams: { crm: {} }\nservices: { crm: { team: crm, emits: [customer.joined] } }\n";
        let first = contract(1, NAME.0, NAME.1, "").to_json_text();
        let sources = vec![
            Source { name: "system.yaml".into(), text: system.into() },
            Source { name: "customer.joined.v1.json".into(), text: first },
        ];
        Contracts::new(Catalog::read(&sources).unwrap()).unwrap()
    }

    fn opened(contracts: &Contracts, version: u32, payload: &str) -> serde_json::Value {
        let key: PartitionKey = "c-1".parse().unwrap();
        let written = EventType { version, ..V1 };
        let envelope = Envelope::raw(written, key, payload.to_owned().into());
        let opened = contracts.open(&envelope, &V1).unwrap().unwrap();
        assert_eq!(opened.event_type, V1);
        serde_json::from_slice(&opened.data).unwrap()
    }

    #[test]
    fn a_field_that_a_newer_release_split_in_two_is_joined_for_a_reader_that_lags() {
        let contracts = old();
        let v2 = EventType { version: 2, ..V1 };
        assert!(!contracts.can_read(&v2, &V1), "nothing is known of it");
        contracts.learn(contract(2, PARTS.0, PARTS.1, SPLIT));
        assert!(contracts.can_read(&v2, &V1));
        let payload = r#"{"customerId":"c-1","first":"Grace","last":"Hopper"}"#;
        let expected = serde_json::json!({"customerId": "c-1", "name": "Grace Hopper"});
        assert_eq!(opened(&contracts, 2, payload), expected);
    }

    #[test]
    fn several_versions_are_undone_one_after_the_other() {
        let contracts = old();
        contracts.learn(contract(2, PARTS.0, PARTS.1, SPLIT));
        let fields = r#""first":{"type":"string"},"surname":{"type":"string"}"#;
        let steps = r#"{"rename":{"last":"surname"}}"#;
        contracts.learn(contract(3, fields, r#""first":"Ada","surname":"Lovelace""#, steps));
        assert!(contracts.can_read(&EventType { version: 3, ..V1 }, &V1));
        let payload = r#"{"customerId":"c-1","first":"Ada","surname":"King"}"#;
        assert_eq!(
            opened(&contracts, 3, payload),
            serde_json::json!({"customerId": "c-1", "name": "Ada King"})
        );
    }

    #[test]
    fn a_text_that_a_newer_release_joined_is_not_cut_where_nobody_knows_where() {
        let system =
            "system: crm\nteams: { crm: {} }\nservices: { crm: { team: crm, emits: [customer.joined] } }\n";
        let sources = vec![
            Source { name: "system.yaml".into(), text: system.into() },
            Source {
                name: "customer.joined.v1.json".into(),
                text: contract(1, PARTS.0, PARTS.1, "").to_json_text(),
            },
        ];
        let contracts = Contracts::new(Catalog::read(&sources).unwrap()).unwrap();
        let join = r#"{"join":{"fields":["first","last"],"by":" ","into":"name"}}"#;
        contracts.learn(contract(2, NAME.0, NAME.1, join));
        // `Mary Ann Lee` may be cut in two places; that the example may not be is no promise.
        assert!(!contracts.can_read(&EventType { version: 2, ..V1 }, &V1));
    }

    #[test]
    fn nothing_is_joined_where_no_part_is_and_no_new_value_is_read_as_an_old_one() {
        let contracts = old();
        contracts.learn(contract(2, PARTS.0, PARTS.1, SPLIT));
        assert_eq!(
            opened(&contracts, 2, r#"{"customerId":"c-1"}"#),
            serde_json::json!({"customerId": "c-1"})
        );
        let contracts = old();
        // What was `gold` is `silver` now; the `gold` of now is something new.
        let values = r#"{"map":{"field":"name","values":{"gold":"silver"}}}"#;
        contracts.learn(contract(2, NAME.0, r#""name":"silver""#, values));
        let v2 = EventType { version: 2, ..V1 };
        assert!(contracts.can_read(&v2, &V1));
        let silver = r#"{"customerId":"c-1","name":"silver"}"#;
        assert_eq!(opened(&contracts, 2, silver)["name"], "gold");
        assert_eq!(opened(&contracts, 2, r#"{"customerId":"c-1","name":"bronze"}"#)["name"], "bronze");
        let gold = r#"{"customerId":"c-1","name":"gold"}"#;
        let envelope = Envelope::raw(v2, "c-1".parse().unwrap(), gold.to_owned().into());
        let refused = contracts.open(&envelope, &V1).unwrap_err().to_string();
        assert!(refused.contains("gold means another thing in the version before"), "{refused}");
    }

    #[test]
    fn what_a_step_forgot_is_not_made_up() {
        let contracts = old();
        let v2 = EventType { version: 2, ..V1 };
        contracts.learn(contract(2, PARTS.0, PARTS.1, r#"{"code":"cut"}"#));
        assert!(!contracts.can_read(&v2, &V1), "a function has no other way round");
        let contracts = old();
        let values = r#"{"map":{"field":"name","values":{"a":"x","b":"x"}}}"#;
        contracts.learn(contract(2, NAME.0, NAME.1, values));
        assert!(!contracts.can_read(&v2, &V1), "two values became one");
        let contracts = old();
        let number = r#""name":{"type":"string"},"surname":{"type":"integer"}"#;
        contracts.learn(contract(2, number, r#""surname":7"#, r#"{"rename":{"name":"surname"}}"#));
        assert!(!contracts.can_read(&v2, &V1), "its example is no payload of the first version");
        let contracts = old();
        let more = format!(r#"{},"currency":{{"type":"string"}}"#, PARTS.0);
        contracts.learn(contract(2, &more, PARTS.1, SPLIT));
        assert!(!contracts.can_read(&v2, &V1), "nobody said that the currency may be left out");
        let set = format!(r#"{SPLIT},{{"set":{{"currency":"EUR"}}}}"#);
        contracts.learn(contract(2, &more, PARTS.1, &set));
        assert!(!contracts.can_read(&v2, &V1), "nor when it was given a value");
    }
}
