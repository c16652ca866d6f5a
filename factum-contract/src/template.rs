//! The first draft of a contract or a system: what `factum contract new` writes.
//!
//! A draft passes `check` as it is, so that its author changes a thing that works.

use factum_core::{EventName, Kind};

use crate::words::{ServiceName, SystemName};

/// A file to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name within the catalog's folder.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// A contract of version 1 that its author goes on from.
#[must_use]
pub fn contract(kind: Kind, name: &EventName, owner: &ServiceName) -> Draft {
    let first = name.as_str().split('.').next().unwrap_or_default();
    // A command's first word is what is to be done; the thing comes after it.
    let thing = match kind {
        Kind::Event => first,
        Kind::Command => name.as_str().rsplit('.').next().unwrap_or_default(),
    };
    let thing: String = thing.chars().filter(char::is_ascii_alphanumeric).collect();
    let thing = if thing.is_empty() { "thing".to_owned() } else { thing };
    let (initial, rest) = thing.split_at(1);
    let key = format!("{}{rest}Id", initial.to_ascii_lowercase());
    let says = match kind {
        Kind::Event => "What has happened, in one sentence.",
        Kind::Command => "What is to be done, in one sentence.",
    };
    let text = format!(
        r#"{kind}: {name}
version: 1
summary: {says}
owner: {owner}
key: {key}
payload:
  type: object
  required: [{key}, timestamp]
  properties:
    {key}: {{ type: string, format: uuid, role: identifier, description: Which {thing}. }}
    timestamp: {{ type: string, format: date-time, role: metadata, description: When. }}
examples:
  - {key}: 0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c
    timestamp: 2026-01-05T10:00:00Z
"#,
        kind = kind.as_str(),
    );
    Draft { name: format!("{name}.v1.yaml"), text }
}

/// A system with one service.
#[must_use]
pub fn system(name: &SystemName, service: &ServiceName) -> Draft {
    let text = format!(
        "system: {name}\ndefaults: {{ compatibility: backward, policy: lenient }}\nservices:\n  {service}: {{}}\n"
    );
    Draft { name: "system.yaml".to_owned(), text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, check};

    #[test]
    fn a_draft_passes_check_as_it_is() {
        let service: ServiceName = "orders".parse().unwrap();
        let system = system(&"shop".parse().unwrap(), &service);
        for (kind, name) in [
            (Kind::Event, "order.placed"),
            (Kind::Command, "reserve.stock"),
            (Kind::Command, "a._"),
            (Kind::Event, "a-b.x"),
        ] {
            let draft = contract(kind, &name.parse().unwrap(), &service);
            let files = [system.clone(), draft];
            let sources = files.map(|file| Source::new(file.name, file.text));
            let report = check(&sources);
            assert!(report.findings.is_empty(), "{report}");
        }
        insta::assert_snapshot!(contract(Kind::Event, &"order.placed".parse().unwrap(), &service).text);
    }
}
