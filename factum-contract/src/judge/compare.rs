//! Compares two versions of a contract: the payload, and what schemas do not show.
//!
//! Each change is judged for itself, by applying it alone to the old payload, so that a long list says which line
//! breaks. The verdict of the whole is made from the whole payloads. Plain data; the command line prints it, and it
//! serialises as the `--json` output.

use serde::Serialize;
use serde_json::Value;

use super::{Formats, Mode, Options, Side, Verdict, one_way};
use crate::contract::{Compatibility, Contract, Policy};
use crate::finding::Span;
use crate::words::words;

mod document;
mod payload;
mod schema;
mod terms;
mod text;

pub use document::Document;

words! {
    /// What a change is about. `contract/` and this word make the rule id of changes that schemas do not show.
    ChangeKind {
        /// A field is there that was not.
        FieldAdded = "field-added",
        /// A field is gone.
        FieldRemoved = "field-removed",
        /// A field must be there or need not be.
        Required = "required",
        /// The value is of another type.
        Type = "type",
        /// The value may be null or may not.
        Nullability = "nullability",
        /// Bounds, lengths, counts, patterns or formats of a value.
        Constraint = "constraint",
        /// The words of an enum, or whether there may be others.
        Words = "words",
        /// Whether fields that are not declared are refused.
        Openness = "openness",
        /// What readers assume when a field is absent.
        Default = "default",
        /// What a field is to its event.
        Role = "role",
        /// The unit of measure.
        Unit = "unit",
        /// Whose personal data it is.
        Personal = "personal",
        /// Title, description or deprecation.
        Wording = "wording",
        /// The name.
        Name = "name",
        /// Event or command.
        Kind = "kind",
        /// Where it is published.
        Topic = "topic",
        /// The streams that hold it.
        Stream = "stream",
        /// The field that keeps related events in order.
        Key = "key",
        /// How far order is promised.
        Ordering = "ordering",
        /// The service that owns the meaning.
        Owner = "owner",
        /// Why it exists.
        Category = "category",
        /// Who may build on it.
        Audience = "audience",
        /// What is promised to readers of other versions.
        Compatibility = "compatibility",
        /// What readers do with fields that they do not know.
        Policy = "policy",
        /// Names that may never be used again.
        Reserved = "reserved",
        /// From when until when it is in use.
        Lifecycle = "lifecycle",
    }
}

words! {
    /// What to do with the version number.
    Advice {
        /// Only words changed: the version may stay.
        None = "none: wording only",
        /// The promise to other versions is kept.
        Compatible = "next version, compatible",
        /// The promise is broken, or not known to be kept: publish both for a while.
        Breaking = "next version, breaking, with overlap",
    }
}

/// What one change, or all together, mean for one way of exchange.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Outcome {
    /// Nobody breaks.
    Compatible,
    /// Somebody breaks.
    Breaking(Harm),
    /// Could not be decided.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// Who breaks, and how.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Harm {
    /// Rule id: `judge/…` for payloads, `contract/…` for what schemas do not show.
    pub rule: String,
    /// Who breaks.
    pub side: Side,
    /// JSON pointer into the counterexample; absent when there is none.
    pub path: Option<String>,
    /// What is wrong.
    pub why: String,
    /// A payload that one side writes and the other refuses.
    pub counterexample: Option<Value>,
}

/// One difference between two contracts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Where: a path in the payload such as `items[].price`, or a key of the contract.
    pub path: String,
    /// What it is about.
    pub kind: ChangeKind,
    /// How it was; absent when it was not.
    pub before: Option<String>,
    /// How it is; absent when it is not.
    pub after: Option<String>,
    /// What it means for new readers of old data.
    pub backward: Outcome,
    /// What it means for old readers of new data.
    pub forward: Outcome,
    /// What to know besides.
    pub note: Option<String>,
    /// Where it stands in the new contract; absent when it is gone from there.
    #[serde(skip)]
    pub span: Option<Span>,
}

/// All differences between two contracts, or two schemas.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What it was: `order.placed.v1`.
    pub old: String,
    /// What it is.
    pub new: String,
    /// Whether writers may send what they do not declare.
    pub policy: Policy,
    /// Every change, in the order of the contract.
    pub changes: Vec<Change>,
    /// Whether new readers can read old data.
    pub backward: Outcome,
    /// Whether old readers can read new data.
    pub forward: Outcome,
    /// What to do with the version number.
    pub advice: Advice,
}

impl Outcome {
    /// `compatible`, `breaking` or `unknown`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::Breaking(_) => "breaking",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// Both together: breaking outweighs unknown, which outweighs compatible.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Breaking(_), _) => self.clone(),
            (_, Self::Breaking(_)) => other.clone(),
            (Self::Unknown { .. }, _) => self.clone(),
            _ => other.clone(),
        }
    }

    fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Compatible => Self::Compatible,
            Verdict::Unknown { why } => Self::Unknown { why },
            Verdict::Breaking(found) => Self::Breaking(Harm {
                rule: found.rule.as_str().to_owned(),
                side: found.side,
                path: Some(found.path),
                why: found.message,
                counterexample: Some(found.counterexample),
            }),
        }
    }
}

impl Change {
    /// What it means for a way of exchange.
    #[must_use]
    pub fn outcome(&self, mode: Mode) -> Outcome {
        of_mode(&self.backward, &self.forward, mode)
    }

    /// Whether it is only about words: nothing that is sent or read changes.
    #[must_use]
    pub fn is_wording(&self) -> bool {
        use ChangeKind as Kind;
        matches!(
            self.kind,
            Kind::Wording
                | Kind::Default
                | Kind::Owner
                | Kind::Category
                | Kind::Audience
                | Kind::Compatibility
                | Kind::Policy
                | Kind::Lifecycle
        )
    }
}

impl Comparison {
    /// What all changes together mean for a way of exchange.
    #[must_use]
    pub fn outcome(&self, mode: Mode) -> Outcome {
        of_mode(&self.backward, &self.forward, mode)
    }

    /// Whether a promise is kept; `none` is kept by anything.
    #[must_use]
    pub fn keeps(&self, promise: Compatibility) -> Outcome {
        match mode_of(promise) {
            Some(mode) => self.outcome(mode),
            None => Outcome::Compatible,
        }
    }
}

/// What a promise asks for; nothing when nothing is promised.
#[must_use]
pub fn mode_of(promise: Compatibility) -> Option<Mode> {
    match promise {
        Compatibility::None => None,
        Compatibility::Backward | Compatibility::BackwardTransitive => Some(Mode::Backward),
        Compatibility::Forward | Compatibility::ForwardTransitive => Some(Mode::Forward),
        Compatibility::Full | Compatibility::FullTransitive => Some(Mode::Full),
    }
}

/// Compares two versions of a contract under the policy of the newer one.
#[must_use]
pub fn compare(old: &Contract, new: &Contract) -> Comparison {
    compare_under(old, new, new.policy)
}

/// Compares two versions of a contract under a policy.
#[must_use]
pub fn compare_under(old: &Contract, new: &Contract, policy: Policy) -> Comparison {
    let changes = changes(old, new, Detail::Judged(policy));
    let backward = whole(old, new, policy, Side::Consumer, &changes);
    let forward = whole(old, new, policy, Side::Producer, &changes);
    let mode = mode_of(new.compatibility).unwrap_or(Mode::Backward);
    let advice = match of_mode(&backward, &forward, mode) {
        _ if changes.iter().all(Change::is_wording) => Advice::None,
        Outcome::Compatible => Advice::Compatible,
        Outcome::Breaking(_) | Outcome::Unknown { .. } => Advice::Breaking,
    };
    Comparison { old: old.label(), new: new.label(), policy, changes, backward, forward, advice }
}

/// What [`compare_under`] answers for a mode, without judging change by change: a fraction of the work, for gates
/// where most comparisons have nothing to tell.
#[cfg(feature = "tooling")]
pub(crate) fn outcome_under(old: &Contract, new: &Contract, policy: Policy, mode: Mode) -> Outcome {
    let changes = changes(old, new, Detail::Listed);
    let way = |side: Side| whole(old, new, policy, side, &changes);
    match mode {
        Mode::Backward => way(Side::Consumer),
        Mode::Forward => way(Side::Producer),
        Mode::Full => way(Side::Consumer).and(&way(Side::Producer)),
    }
}

/// Every change between two versions, without what it means.
#[cfg(feature = "tooling")]
pub(crate) fn list_changes(old: &Contract, new: &Contract) -> Vec<Change> {
    changes(old, new, Detail::Listed)
}

/// How much is said of each change inside a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// That it is there.
    #[cfg(feature = "tooling")]
    Listed,
    /// What it means by itself, under a policy.
    Judged(Policy),
}

fn changes(old: &Contract, new: &Contract, detail: Detail) -> Vec<Change> {
    let mut changes = terms::changes(old, new);
    let mut inside = payload::changes(&old.payload, &new.payload, detail);
    terms::reuse(old, &mut inside);
    changes.append(&mut inside);
    changes
}

/// One way of exchange: the payloads as a whole, and what schemas do not show, which harms by itself.
fn whole(old: &Contract, new: &Contract, policy: Policy, side: Side, changes: &[Change]) -> Outcome {
    let payload = match side {
        Side::Consumer => payload_way(&old.payload, &new.payload, policy, side),
        Side::Producer => payload_way(&new.payload, &old.payload, policy, side),
    };
    changes.iter().filter(|change| change.is_beyond_schemas()).fold(payload, |outcome, change| {
        outcome.and(match side {
            Side::Consumer => &change.backward,
            Side::Producer => &change.forward,
        })
    })
}

/// Compares a contract with every earlier version to which it promises something, newest first.
///
/// `earlier` is in rising order of versions. A transitive promise is for all of them, others for the last one.
#[must_use]
pub fn compare_promised(earlier: &[&Contract], new: &Contract) -> Vec<Comparison> {
    promised_to(earlier, new).map(|old| compare(old, new)).collect()
}

/// The earlier versions to which a contract promises something, newest first.
pub(crate) fn promised_to<'c>(
    earlier: &[&'c Contract],
    new: &Contract,
) -> impl Iterator<Item = &'c Contract> {
    use Compatibility as Promise;
    let count = match new.compatibility {
        Promise::None => 0,
        Promise::Backward | Promise::Forward | Promise::Full => 1,
        Promise::BackwardTransitive | Promise::ForwardTransitive | Promise::FullTransitive => earlier.len(),
    };
    earlier.iter().rev().take(count).copied()
}

/// Compares two bare JSON Schemas, both ways; changes are not listed.
#[must_use]
pub fn compare_schemas(old: &Value, new: &Value, mode: Mode, options: Options) -> Comparison {
    let backward = Outcome::of(one_way(old, new, Side::Consumer, options));
    let forward = Outcome::of(one_way(new, old, Side::Producer, options));
    let advice = match of_mode(&backward, &forward, mode) {
        _ if backward == Outcome::Compatible && forward == Outcome::Compatible => Advice::None,
        Outcome::Compatible => Advice::Compatible,
        Outcome::Breaking(_) | Outcome::Unknown { .. } => Advice::Breaking,
    };
    let (old, new) = ("old schema".to_owned(), "new schema".to_owned());
    Comparison { old, new, policy: options.policy, changes: Vec::new(), backward, forward, advice }
}

impl Change {
    /// Whether no schema shows it, so that judging payloads cannot find it.
    fn is_beyond_schemas(&self) -> bool {
        let harms = [&self.backward, &self.forward];
        harms.iter().any(|outcome| match outcome {
            Outcome::Breaking(harm) => harm.counterexample.is_none(),
            Outcome::Unknown { .. } => {
                matches!(self.kind, ChangeKind::Role | ChangeKind::Unit | ChangeKind::Personal)
            }
            Outcome::Compatible => false,
        })
    }
}

fn both_ways(old: &crate::Schema, new: &crate::Schema, policy: Policy) -> (Outcome, Outcome) {
    (payload_way(old, new, policy, Side::Consumer), payload_way(new, old, policy, Side::Producer))
}

fn payload_way(writer: &crate::Schema, reader: &crate::Schema, policy: Policy, side: Side) -> Outcome {
    let options = Options { policy, formats: Formats::Asserted };
    let (writer, reader) = (schema::of_writer(writer, policy), schema::of_reader(reader));
    Outcome::of(one_way(&writer, &reader, side, options))
}

fn of_mode(backward: &Outcome, forward: &Outcome, mode: Mode) -> Outcome {
    match mode {
        Mode::Backward => backward.clone(),
        Mode::Forward => forward.clone(),
        Mode::Full => backward.and(forward),
    }
}
