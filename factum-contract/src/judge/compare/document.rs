//! What can be compared: a file that is a contract, or a bare JSON Schema.

use serde_json::Value;

use crate::catalog::CatalogError;
use crate::contract::Contract;
use crate::finding::{Findings, Source};
use crate::read;
use crate::system::Defaults;

/// A contract, or a bare JSON Schema.
#[derive(Debug, Clone)]
pub enum Document {
    /// It names an event or a command.
    Contract(Box<Contract>),
    /// It does not.
    Schema(Value),
}

impl Document {
    /// Reads one file; `defaults` hold for a contract that says nothing else.
    ///
    /// # Errors
    /// All that keeps the file from being read.
    pub fn read(source: &Source, defaults: &Defaults) -> Result<Self, CatalogError> {
        let mut findings = Findings::new(std::slice::from_ref(source));
        let found = read::document(source, &mut findings).and_then(|node| {
            let is_named = |key: &str| node.get(key).is_some_and(|name| name.as_text().is_some());
            if !is_named("event") && !is_named("command") {
                return Some(Self::Schema(node.to_json()));
            }
            let contract = read::contract(&node, defaults, &mut findings)?;
            Some(Self::Contract(Box::new(contract)))
        });
        match found {
            Some(found) if !findings.has_errors() => Ok(found),
            _ => Err(CatalogError { findings: findings.into_vec() }),
        }
    }
}
