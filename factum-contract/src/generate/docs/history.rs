//! What changed from version to version, as the judge sees it.

use super::html::{self, Html};
use super::said;
use super::site::Site;
use crate::contract::Contract;
use crate::judge::compare::{Advice, Change, ChangeKind, Outcome, mode_of};
use crate::judge::{Comparison, compare_promised};

/// Most changes of one step that a page lists.
const CHANGES_MAX: usize = 200;

/// From one version to the next.
pub(super) struct Step {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) from_href: String,
    /// Nothing on the page of this version itself.
    pub(super) to_href: Option<String>,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) promise: &'static str,
    pub(super) kept: String,
    pub(super) advice: &'static str,
    pub(super) upcast: Vec<Html>,
    pub(super) changes: Vec<ChangeRow>,
    /// What changed beside, and harms nobody.
    pub(super) also: Vec<Html>,
}

/// What a step means for one way of exchange.
pub(super) struct Verdict {
    pub(super) question: &'static str,
    pub(super) class: &'static str,
    pub(super) text: &'static str,
}

/// One change.
pub(super) struct ChangeRow {
    pub(super) path: Html,
    pub(super) kind: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) harms: Vec<Harm>,
    pub(super) note: Option<String>,
}

/// Who a change harms, and how.
pub(super) struct Harm {
    pub(super) class: &'static str,
    pub(super) text: &'static str,
    pub(super) why: String,
    pub(super) rule: Option<String>,
    pub(super) document: Option<Html>,
}

/// The steps that led to a version, newest first: all of them on the newest page, its own on an older one.
pub(super) fn steps(site: &Site<'_>, contract: &Contract, root: &str) -> Vec<Step> {
    let is_newest =
        site.newest(contract.name.as_str()).is_some_and(|newest| newest.version == contract.version);
    let versions: Vec<&Contract> = site.catalog.versions(contract.name.as_str()).collect();
    let pairs = versions.windows(2).rev().filter(|pair| is_newest || pair[1].version == contract.version);
    pairs.filter_map(|pair| step(site, pair[0], pair[1], contract, root)).collect()
}

fn step(site: &Site<'_>, old: &Contract, new: &Contract, here: &Contract, root: &str) -> Option<Step> {
    let comparison = site.comparison(new)?;
    let href = |contract: &Contract| format!("{root}{}", site.path_of(contract));
    let (beside, listed): (Vec<&Change>, Vec<&Change>) =
        comparison.changes.iter().take(CHANGES_MAX).partition(|change| change.is_wording());
    Some(Step {
        from: old.version,
        to: new.version,
        from_href: href(old),
        to_href: (new.version != here.version).then(|| href(new)),
        verdicts: vec![
            verdict("New readers, old payloads", &comparison.backward),
            verdict("Old readers, new payloads", &comparison.forward),
        ],
        promise: new.compatibility.as_str(),
        kept: kept(site, new, comparison),
        advice: match comparison.advice {
            Advice::None => "wording only, the version could have stayed",
            Advice::Compatible => "the next version, published alone",
            Advice::Breaking => "the next version, published beside the old one for a while",
        },
        upcast: new.upcast.iter().map(|step| said::step(&step.value)).collect(),
        changes: listed.into_iter().map(change).collect(),
        also: beside.into_iter().map(beside_the_rest).collect(),
    })
}

/// Whether the promise holds, for as many versions as it is made to.
fn kept(site: &Site<'_>, new: &Contract, last: &Comparison) -> String {
    let Some(mode) = mode_of(new.compatibility) else { return "every change is allowed".to_owned() };
    let earlier: Vec<&Contract> =
        site.catalog.versions(new.name.as_str()).filter(|other| other.version < new.version).collect();
    let is_transitive = new.compatibility.as_str().ends_with("-transitive");
    let outcomes: Vec<(String, Outcome)> = if is_transitive && earlier.len() > 1 {
        let all = compare_promised(&earlier, new);
        all.iter().map(|comparison| (comparison.old.clone(), comparison.outcome(mode))).collect()
    } else {
        vec![(last.old.clone(), last.outcome(mode))]
    };
    let broken: Vec<String> = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome != Outcome::Compatible)
        .map(|(old, outcome)| match outcome {
            Outcome::Unknown { .. } => format!("not known to be kept with {old}"),
            _ => format!("broken with {old}"),
        })
        .collect();
    match (broken.is_empty(), outcomes.len()) {
        (false, _) => broken.join(", "),
        (true, 1) => "kept".to_owned(),
        (true, count) => format!("kept with all {count} versions before"),
    }
}

fn verdict(question: &'static str, outcome: &Outcome) -> Verdict {
    let (class, text) = match outcome {
        Outcome::Compatible => ("good", "compatible"),
        Outcome::Breaking(_) => ("bad", "breaking"),
        Outcome::Unknown { .. } => ("care", "unknown"),
    };
    Verdict { question, class, text }
}

/// A change of words or terms in a line.
fn beside_the_rest(change: &Change) -> Html {
    let is_term = change.path == change.kind.as_str();
    let place =
        if is_term { Html::default() } else { Html::trusted(format!(" of {}", Html::code(&change.path))) };
    let short = |text: &Option<String>| text.as_deref().map(|text| Html::code(text).to_string());
    let values = match (change.kind, short(&change.before), short(&change.after)) {
        (ChangeKind::Wording, ..) | (_, None, None) => String::new(),
        (_, Some(before), Some(after)) => format!(" from {before} to {after}"),
        (_, Some(before), None) => format!(", which was {before}"),
        (_, None, Some(after)) => format!(", now {after}"),
    };
    Html::trusted(format!("{}{place}{values}", change.kind))
}

fn change(change: &Change) -> ChangeRow {
    let is_term = change.path == change.kind.as_str();
    let path = if change.path.is_empty() { "payload" } else { change.path.as_str() };
    let harms = [("new readers", &change.backward), ("old readers", &change.forward)];
    ChangeRow {
        path: Html::name(path),
        kind: if is_term { String::new() } else { change.kind.as_str().replace('-', " ") },
        before: change.before.clone(),
        after: change.after.clone(),
        harms: harms.into_iter().filter_map(|(who, outcome)| harm(who, outcome)).collect(),
        note: change.note.clone(),
    }
}

fn harm(who: &'static str, outcome: &Outcome) -> Option<Harm> {
    match outcome {
        Outcome::Compatible => None,
        Outcome::Unknown { why } => Some(Harm {
            class: "care",
            text: if who == "new readers" { "unknown for new readers" } else { "unknown for old readers" },
            why: why.clone(),
            rule: None,
            document: None,
        }),
        Outcome::Breaking(harm) => Some(Harm {
            class: "bad",
            text: if who == "new readers" { "breaks new readers" } else { "breaks old readers" },
            why: harm.why.clone(),
            rule: Some(harm.rule.clone()),
            document: harm.counterexample.as_ref().map(html::json_value),
        }),
    }
}
