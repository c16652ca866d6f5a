//! Whether a broken promise is meant: upcast steps carry over what it breaks, or the catalog accepts it by its rule.
//!
//! One place for this, because two ask: the gate of CI, which tells each break, and the start of an app, which goes on
//! or does not. What one lets through the other must not stop.

use factum_core::ContractVersion;

use super::Mode;
use super::compare::{Change, Comparison, Harm, Outcome, mode_of};
use crate::catalog::Catalog;
use crate::contract::{Allow, Contract};

/// What a promise is not kept for: a change, or all of them together where none does it alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Guilt<'c> {
    /// The change; nothing when it takes all of them.
    pub change: Option<&'c Change>,
    /// What it means for the promise.
    pub outcome: Outcome,
}

impl Comparison {
    /// Why a way of exchange is not kept; empty when it is. What cannot be decided is told beside what breaks: that a
    /// break is accepted must not hide it.
    #[must_use]
    pub fn guilty(&self, mode: Mode) -> Vec<Guilt<'_>> {
        let whole = self.outcome(mode);
        if whole == Outcome::Compatible {
            return Vec::new();
        }
        let is_whole = |outcome: &Outcome| outcome.as_str() == whole.as_str();
        let judged = self.changes.iter().map(|change| (change, change.outcome(mode)));
        let mut guilty: Vec<Guilt<'_>> = judged
            .filter(|(_, outcome)| is_whole(outcome) || matches!(outcome, Outcome::Unknown { .. }))
            .map(|(change, outcome)| Guilt { change: Some(change), outcome })
            .collect();
        if !guilty.iter().any(|guilt| is_whole(&guilt.outcome)) {
            guilty.push(Guilt { change: None, outcome: whole });
        }
        guilty
    }
}

/// What findings call a promise that cannot be decided; accepted like a break, by this name.
pub const UNKNOWN: &str = "judge/unknown";

impl Catalog {
    /// Whether upcast steps carry over a break between two versions: only what new readers cannot read of old payloads,
    /// and only where nothing is promised to old readers as well, for whom no step runs.
    #[must_use]
    pub fn bridges(&self, mode: Mode, harm: &Harm, old: ContractVersion, new: &Contract) -> bool {
        let mut between =
            (old + 1..=new.version).filter_map(|version| self.contract(new.name.as_str(), version));
        mode == Mode::Backward
            && harm.counterexample.is_some()
            && between.any(|contract| !contract.upcast.is_empty())
    }

    /// What a contract and the system accept under a rule, ended or not.
    pub fn allows<'c>(
        &'c self,
        rule: &str,
        contract: Option<&'c Contract>,
    ) -> impl Iterator<Item = &'c Allow> {
        let own = contract.into_iter().flat_map(|contract| &contract.allow);
        own.chain(&self.system.allow).filter(move |allow| allow.rule.value == rule)
    }

    /// Whether everything that breaks a contract's promise to an earlier version is carried over or accepted. Whether
    /// an acceptance has ended is not asked.
    #[must_use]
    pub fn means(&self, comparison: &Comparison, old: ContractVersion, new: &Contract) -> bool {
        let Some(mode) = mode_of(new.compatibility) else { return true };
        comparison.guilty(mode).iter().all(|guilt| match &guilt.outcome {
            Outcome::Breaking(harm) => {
                self.bridges(mode, harm, old, new) || self.allows(&harm.rule, Some(new)).next().is_some()
            }
            Outcome::Compatible | Outcome::Unknown { .. } => true,
        })
    }
}
