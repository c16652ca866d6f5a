//! The catalog behind generated types, compiled when a fixture or an explanation first needs it.
//!
//! Programs that only encode and decode never pay for it.

use std::collections::HashMap;
use std::sync::OnceLock;

use factum_core::{ContractVersion, Event};
use serde::de::DeserializeOwned;

use super::{CatalogSource, Invalid};
use crate::contracts::Contracts;
use crate::fixture::{Broken, Fixtures};

/// A catalog that is compiled once, when it is first asked for.
#[derive(Debug)]
pub struct Compiled {
    source: CatalogSource,
    contracts: OnceLock<Option<Contracts>>,
    fixtures: OnceLock<HashMap<(String, ContractVersion), Fixtures>>,
}

impl Compiled {
    /// Nothing is compiled yet.
    #[must_use]
    pub const fn new(source: CatalogSource) -> Self {
        Self { source, contracts: OnceLock::new(), fixtures: OnceLock::new() }
    }

    fn contracts(&self) -> Option<&Contracts> {
        self.contracts.get_or_init(|| Contracts::try_from(self.source).ok()).as_ref()
    }

    fn fixtures<E: Event>(&self) -> Option<&Fixtures> {
        let all = self.fixtures.get_or_init(|| {
            let contracts =
                self.contracts().into_iter().flat_map(|contracts| contracts.catalog().contracts());
            let made = contracts.filter_map(|contract| {
                Some(((contract.name.to_string(), contract.version), Fixtures::of(contract).ok()?))
            });
            made.collect()
        });
        all.get(&(E::TYPE.name.to_string(), E::TYPE.version))
    }

    /// A valid event made from a number; see [`Fixtures::valid`].
    ///
    /// # Panics
    /// When the contract has no valid payload: types for which none can be made have no such function.
    #[must_use]
    pub fn arbitrary_valid<E: Event>(&self, seed: u64) -> E {
        let payload = self.fixtures::<E>().and_then(|fixtures| fixtures.valid(seed));
        let payload = payload.expect("a payload was made when this was generated");
        serde_json::from_value(payload).expect("the type reads what the gate admits")
    }

    /// A broken payload for each rule of the contract; see [`Fixtures::broken`].
    #[must_use]
    pub fn invalid_json<E: Event>(&self) -> Vec<Broken> {
        self.fixtures::<E>().map(Fixtures::broken).unwrap_or_default()
    }

    /// Reads a payload; one that does not fit is explained as the gate explains it.
    ///
    /// # Errors
    /// The first value that does not fit, with its JSON pointer.
    pub fn from_json<E: Event>(&self, json: &[u8]) -> Result<E, Invalid> {
        serde_json::from_slice(json).map_err(|error| {
            let breach = self.contracts().and_then(|contracts| contracts.check(&E::TYPE, json).err());
            match breach {
                Some(breach) => Invalid::of_breach(breach.path, &breach.message),
                None => Invalid::new("", "a payload of the contract", error.to_string()),
            }
        })
    }

    /// Brings an event of an earlier version up to date by the steps of the contract.
    ///
    /// # Errors
    /// When a step cannot be done, or calls code, or what comes out does not fit.
    pub fn upcast<Old: Event, New: Event>(&self, old: &Old) -> Result<New, Invalid> {
        let Some(contracts) = self.contracts() else {
            return Err(Invalid::new("", "a catalog that can be compiled", "one that cannot"));
        };
        upcast(contracts, old)
    }
}

/// Brings an event of an earlier version up to date, with the upcasters that were registered.
///
/// # Errors
/// When a step cannot be done, or what comes out does not fit.
pub fn upcast<Old: Event, New: Event>(contracts: &Contracts, old: &Old) -> Result<New, Invalid> {
    let unfit =
        |error: serde_json::Error| Invalid::new("", "an event that can be written", error.to_string());
    let json = serde_json::to_vec(old).map_err(unfit)?;
    let upcast = contracts.upcast(&json, Old::TYPE.version, &New::TYPE);
    let data = upcast.map_err(|breach| Invalid::of_breach(breach.path, &breach.message))?.to_string();
    if let Err(breach) = contracts.check(&New::TYPE, data.as_bytes()) {
        return Err(Invalid::of_breach(breach.path, &breach.message));
    }
    serde_json::from_str(&data)
        .map_err(|error| Invalid::new("", format!("a payload of {}", New::TYPE), error.to_string()))
}

/// The value that a contract says an absent field has.
///
/// # Panics
/// When the text is no such value: defaults are checked when a type is generated.
#[must_use]
pub fn default_of<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).expect("the contract's default fits its field")
}

impl Invalid {
    /// What the gate says, in two parts.
    fn of_breach(path: String, message: &str) -> Self {
        let said = message.strip_prefix("expected ").unwrap_or(message);
        let (expected, found) = said.rsplit_once(", found ").unwrap_or((said, "something else"));
        Self { path, expected: expected.to_owned(), found: found.to_owned() }
    }
}
