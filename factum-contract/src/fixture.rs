//! Payloads for tests, made from a contract: valid ones from a number, and one broken one for each of its rules.
//!
//! Deterministic: the same contract and number give the same payload, in every process, so that a failure can be run
//! again. Every payload is checked before it is handed out: a valid one is admitted, a broken one is refused by the
//! rule and at the place that it names. Where a rule cannot be broken alone, because another one implies it, that is
//! said and nothing is made up.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use crate::contract::Contract;
use crate::node::Node;
use crate::schema::Schema;
use crate::validate::{PatternError, Validator};

mod broken;
mod scalar;
mod text;
mod valid;

use text::Wanted;

/// A payload that breaks one rule of its contract, and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The rule, as the gate names it.
    pub rule: &'static str,
    /// JSON pointer to the value at which the gate names it; empty for the whole payload.
    pub path: String,
    /// What was done to a valid payload, in words.
    pub what: String,
    /// The payload.
    pub json: String,
}

/// A rule that cannot be broken alone: whatever breaks it breaks another one first, or is too large to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unbroken {
    /// The rule, as the gate names it.
    pub rule: &'static str,
    /// JSON pointer to the value that it is about.
    pub path: String,
}

/// Makes payloads of one contract.
///
/// ```
/// use factum_contract::fixture::Fixtures;
/// # let catalog = factum_contract::CatalogSource::new(r#"{"revision":1,"files":{
/// #   "system.yaml":{"system":"shop","services":{"orders":{}}},
/// #   "a.yaml":{"event":"order.placed","version":1,"owner":"orders","key":"orderId",
/// #     "payload":{"type":"object","required":["orderId"],"properties":{"orderId":{"type":"string"}}}}}}"#).load()?;
/// let fixtures = Fixtures::of(catalog.contract("order.placed", 1).expect("is there"))?;
/// assert_eq!(fixtures.valid(7), fixtures.valid(7));
/// let rules: Vec<&str> = fixtures.broken().iter().map(|broken| broken.rule).collect();
/// assert_eq!(rules, ["type", "required", "type", "type", "key"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Fixtures {
    /// Boxed, because texts are known by the place of their schema.
    contract: Box<Contract>,
    validator: Validator,
    examples: Vec<Value>,
    texts: HashMap<usize, Wanted>,
}

impl Fixtures {
    /// For one contract version.
    ///
    /// # Errors
    /// When a pattern cannot be used; a catalog that was checked has none such.
    pub fn of(contract: &Contract) -> Result<Self, PatternError> {
        let contract = Box::new(contract.clone());
        let validator = Validator::of(&contract)?;
        let is_valid = |example: &Value| validator.check(example.to_string().as_bytes()).is_ok();
        let examples = contract.examples.iter().map(Node::to_json).filter(is_valid).collect();
        let mut texts = HashMap::new();
        contract.payload.walk(&mut |path, schema| {
            let name = path.rsplit('.').next().unwrap_or_default();
            let is_key = path == contract.key.value;
            texts.extend(Wanted::of(schema, name, is_key).map(|wanted| (address(schema), wanted)));
        });
        Ok(Self { contract, validator, examples, texts })
    }

    /// A valid payload: 0 has nothing that may be left out, 1 has everything, other numbers have what they happen to
    /// have, with values at the edges of what is allowed more often than chance.
    ///
    /// `None` when no text is found for a pattern and the contract has no example to take one from; if a number gives
    /// a payload, all do.
    #[must_use]
    pub fn valid(&self, seed: u64) -> Option<Value> {
        valid::payload(self, seed)
    }

    /// One payload for each rule of the contract, in the order of the contract.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        broken::attempts(self).into_iter().filter_map(Result::ok).collect()
    }

    /// The rules for which [`Self::broken`] has no payload.
    #[must_use]
    pub fn unbroken(&self) -> Vec<Unbroken> {
        broken::attempts(self).into_iter().filter_map(Result::err).collect()
    }

    fn wanted(&self, schema: &Schema) -> Option<&Wanted> {
        self.texts.get(&address(schema))
    }

    fn admits(&self, payload: &Value) -> bool {
        self.validator.check(payload.to_string().as_bytes()).is_ok()
    }
}

fn address(schema: &Schema) -> usize {
    std::ptr::from_ref(schema).addr()
}

/// Numbers that look random and are the same everywhere (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.roll() % end }
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<'i, T>(&mut self, items: &'i [T]) -> Option<&'i T> {
        let index = usize::try_from(self.below(items.len() as u64)).unwrap_or(0);
        items.get(index)
    }
}
