//! Says whether documents of one JSON Schema are valid under another, and shows one that is not.
//!
//! One search decides: for a document that the writer's schema allows and the reader's refuses. What it finds is the
//! counterexample, and it counts only after an independent validator agreed on both schemas; that nothing can be found
//! is the proof of compatibility. Where the search gives up, candidates are tried; where they fail too, the verdict is
//! unknown, with the reason. Never guesses, never follows a reference out of a document. Without `tooling` only breaks
//! between contracts are confirmed, which is what programs at run time ask for.

use serde_json::Value;

use crate::contract::Policy;
use crate::words::words;

mod candidates;
pub mod compare;
mod dialect;
mod exact;
mod format;
mod graph;
mod lenient;
pub mod meant;
mod number;
pub mod pairs;
mod pattern;
#[cfg(any(test, not(feature = "tooling")))]
mod plain;
mod read;
mod rule;
mod search;
mod solve;
#[cfg(feature = "tooling")]
mod whole;
mod witness;

pub use compare::{Comparison, compare, compare_promised, compare_schemas, compare_under};
pub use dialect::Formats;
pub use rule::BreakRule;

use dialect::Dialect;
use graph::Graph;
use search::Search;
use solve::{Literal, Solver};
use witness::Witness;

words! {
    /// Which way documents travel between versions.
    Mode {
        /// New readers read what old writers wrote.
        Backward = "backward",
        /// Old readers read what new writers write.
        Forward = "forward",
        /// Both.
        Full = "full",
    }
}

words! {
    /// The side of an exchange that breaks.
    Side {
        /// New consumers cannot read what is there already.
        Consumer = "consumer",
        /// New producers write what consumers cannot read yet.
        Producer = "producer",
    }
}

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether writers may send what they do not declare.
    pub policy: Policy,
    /// Whether formats are checked.
    pub formats: Formats,
}

impl Default for Options {
    fn default() -> Self {
        Self { policy: Policy::Strict, formats: Formats::Told }
    }
}

/// What a comparison comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Every document of the writer is valid for the reader; proven.
    Compatible,
    /// Some document is not; here is one.
    Breaking(Box<Break>),
    /// Could not be decided.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// A document that one side writes and the other refuses.
#[derive(Debug, Clone, PartialEq)]
pub struct Break {
    /// Why it is refused.
    pub rule: BreakRule,
    /// JSON pointer to the refused value in the document; empty for all of it.
    pub path: String,
    /// JSON pointer to the keyword in the reader's schema.
    pub schema_path: String,
    /// Who breaks.
    pub side: Side,
    /// The document: valid for the writer and not for the reader, checked by an independent validator.
    pub counterexample: Value,
    /// What the reader's validator says of it.
    pub message: String,
}

impl Verdict {
    /// `compatible`, `breaking` or `unknown`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::Breaking(_) => "breaking",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// The break, when there is one.
    #[must_use]
    pub fn as_break(&self) -> Option<&Break> {
        match self {
            Self::Breaking(found) => Some(found),
            Self::Compatible | Self::Unknown { .. } => None,
        }
    }

    /// Both together: a break outweighs not knowing, which outweighs compatible.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Breaking(_), _) => self,
            (_, Self::Breaking(_)) => other,
            (Self::Unknown { .. }, _) => self,
            _ => other,
        }
    }
}

/// Compares two JSON Schemas.
///
/// Never says compatible when a document of one side is invalid on the other, and breaking only with such a document.
///
/// ```
/// use factum_contract::judge::{Mode, Options, judge};
/// use serde_json::json;
///
/// let (old, new) = (json!({ "type": "integer" }), json!({ "type": "integer", "minimum": 1 }));
/// let verdict = judge(&old, &new, Mode::Backward, Options::default());
/// assert_eq!(verdict.as_break().expect("a break").counterexample, json!(0));
/// ```
#[must_use]
pub fn judge(old: &Value, new: &Value, mode: Mode, options: Options) -> Verdict {
    match mode {
        Mode::Backward => one_way(old, new, Side::Consumer, options),
        Mode::Forward => one_way(new, old, Side::Producer, options),
        Mode::Full => judge(old, new, Mode::Backward, options).and(judge(old, new, Mode::Forward, options)),
    }
}

fn one_way(writer: &Value, reader: &Value, side: Side, options: Options) -> Verdict {
    if writer == reader {
        return Verdict::Compatible;
    }
    let dialects = [writer, reader].map(Dialect::of);
    if dialects.contains(&Dialect::Foreign) {
        return Verdict::Unknown { why: "a schema is written in a dialect that is not known".to_owned() };
    }
    let guard = (options.policy == Policy::Lenient).then(|| lenient::guard(writer));
    let mut graph = Graph::default();
    let writer_rule = read::read(&mut graph, writer, options.formats);
    let reader_rule = read::read(&mut graph, reader, options.formats);
    let guard_rule = guard.as_ref().map(|guard| read::read(&mut graph, guard, options.formats));
    let sent: Vec<Literal> = std::iter::once(writer_rule).chain(guard_rule).map(Literal::met).collect();
    let mut goal = sent.clone();
    goal.push(Literal::broken(reader_rule));
    let mut solver = Solver::new(&mut graph);
    let found = solver.solve(goal);
    let why = match found {
        Search::Empty if is_split_over_whole_numbers(dialects) => {
            "draft 4 and later drafts disagree about whole numbers".to_owned()
        }
        // That nothing at all is sent would be a poor proof.
        Search::Empty
            if guard.is_some()
                && solver.solve(sent) == Search::Empty
                && solver.solve(vec![Literal::met(writer_rule)]) != Search::Empty =>
        {
            "the writer must send fields that it does not declare".to_owned()
        }
        Search::Empty => return Verdict::Compatible,
        Search::Found(document) => {
            let witness = match Witness::new(writer, guard.as_ref(), reader, options.formats) {
                Ok(witness) => witness,
                Err(why) => return Verdict::Unknown { why },
            };
            if let Some(found) = witness.check(&document, side) {
                return Verdict::Breaking(Box::new(found));
            }
            "the counterexample that was found is not confirmed by the validator".to_owned()
        }
        Search::Unknown(why) => why.into_owned(),
    };
    try_candidates(writer, guard.as_ref(), reader, side, options).unwrap_or(Verdict::Unknown { why })
}

/// Whether `1.0` may be a whole number on one side and not on the other.
fn is_split_over_whole_numbers(dialects: [Dialect; 2]) -> bool {
    dialects[0] != dialects[1] && dialects.contains(&Dialect::Draft4)
}

/// Where nothing is proven, documents made of both schemas' own words may still show a break.
fn try_candidates(
    writer: &Value,
    guard: Option<&Value>,
    reader: &Value,
    side: Side,
    options: Options,
) -> Option<Verdict> {
    let witness = Witness::new(writer, guard, reader, options.formats).ok()?;
    let found = candidates::of(writer, reader).iter().find_map(|document| witness.check(document, side))?;
    Some(Verdict::Breaking(Box::new(found)))
}
