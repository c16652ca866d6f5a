//! Why a store does not take a catalog's contracts, told with what differs.

use std::fmt;

use factum_contract::contract::Compatibility;
use factum_contract::judge::compare::{Change, Harm, Outcome, mode_of};
use factum_contract::judge::{Comparison, Mode};
use factum_core::{Position, Timestamp};

/// Longest counterexample that is shown, in characters.
const EXAMPLE_CHARS_MAX: usize = 400;

/// Contract versions of a catalog that a store cannot take.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub struct ContractsRefused {
    /// Each of them, with what differs.
    pub refusals: Vec<ContractRefusal>,
}

/// A contract version that a store cannot take.
#[derive(Debug, Clone, PartialEq)]
pub enum ContractRefusal {
    /// The store has recorded it with another meaning.
    Changed {
        /// The contract version: `order.placed.v1`.
        contract: String,
        /// When the store met it first.
        recorded_at: Timestamp,
        /// What differs from the record; none when this release cannot read what was recorded.
        differences: Option<Box<Comparison>>,
    },
    /// The catalog no longer has it, and the log holds events of it.
    Missing {
        /// The contract version.
        contract: String,
        /// The oldest version that the catalog has.
        first: String,
        /// Where such an event is.
        position: Position,
    },
    /// It is new, and breaks what it promises to an earlier version.
    Broken {
        /// The contract version.
        contract: String,
        /// What it promises.
        promise: Compatibility,
        /// What differs from the earlier version.
        differences: Box<Comparison>,
    },
}

impl fmt::Display for ContractsRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store does not take the catalog's contracts")?;
        for refusal in &self.refusals {
            write!(f, "\n\n{refusal}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ContractRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { contract, recorded_at, differences } => {
                write!(f, "{contract} was recorded on {recorded_at} and means something else now")?;
                let changes = differences.iter().flat_map(|differences| &differences.changes);
                for change in changes.filter(|change| !change.is_wording()) {
                    write!(f, "\n  {}", Line(change))?;
                }
                let (name, version) = contract.rsplit_once(".v").unwrap_or((contract, ""));
                let next = version.parse::<u32>().map_or(2, |version| version + 1);
                write!(
                    f,
                    "\n  hint: a recorded version never changes; describe the new meaning as {name}.v{next}"
                )
            }
            Self::Missing { contract, first, position } => {
                write!(
                    f,
                    "the log holds {contract} at position {position}, and the catalog begins with {first}"
                )?;
                write!(f, "\n  hint: keep the contract {contract}: older events are read through it")
            }
            Self::Broken { contract, promise, differences } => {
                let old = &differences.old;
                write!(f, "{contract} promises `{promise}`, and breaks that with {old}")?;
                let mode = mode_of(*promise).unwrap_or(Mode::Backward);
                for change in
                    differences.changes.iter().filter(|change| harm(&change.outcome(mode)).is_some())
                {
                    write!(f, "\n  {}", Line(change))?;
                    if let Some(harm) = harm(&change.outcome(mode)) {
                        write!(f, ": {} ({})", harm.why, harm.rule)?;
                    }
                }
                if let Some(example) = harm(&differences.outcome(mode)).and_then(|harm| harm.counterexample) {
                    let example: String = example.to_string().chars().take(EXAMPLE_CHARS_MAX).collect();
                    write!(f, "\n  one side sends, and the other refuses: {example}")?;
                }
                write!(
                    f,
                    "\n  hint: keep the promise, or declare `compatibility: none` and say with `upcast` how {old} becomes it"
                )
            }
        }
    }
}

fn harm(outcome: &Outcome) -> Option<Harm> {
    match outcome {
        Outcome::Breaking(harm) => Some(harm.clone()),
        Outcome::Compatible | Outcome::Unknown { .. } => None,
    }
}

/// One change in one line.
struct Line<'c>(&'c Change);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { path, before, after, .. } = self.0;
        let (before, after) = (before.as_deref().unwrap_or("absent"), after.as_deref().unwrap_or("absent"));
        write!(f, "{path}: {before} -> {after}")
    }
}
