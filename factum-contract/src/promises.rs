//! Whether every version of a contract keeps its promise to the versions before it, here and where it was published.
//!
//! Two histories meet: the catalog's own files, where each version promises something to the earlier ones, and a
//! reference (a branch, a folder, a store), whose versions are published: they stay, and mean what they meant. Reads
//! text only; where the reference comes from is the caller's business. Findings say what breaks, for whom, and show a
//! document; a finding that the catalog accepts by `allow` is counted and left out.

use std::collections::BTreeMap;

use factum_core::{ContractVersion, EventName};

use crate::catalog::{Catalog, CatalogError};
use crate::check::{self, Report};
use crate::contract::{Compatibility, Contract, Policy};
use crate::date::Date;
use crate::finding::{Findings, Proof, Severity, Source, Span};
use crate::judge::compare::{Change, Outcome, list_changes, mode_of, outcome_under, promised_to};
use crate::judge::meant::UNKNOWN;
use crate::judge::{Mode, compare_under};
use crate::read;
use crate::system::Defaults;
use crate::words::words;

words! {
    /// What becomes of a verdict that could not be reached.
    OnUnknown {
        /// It is an error: nothing passes unproven.
        Fail = "fail",
        /// It is a warning.
        Warn = "warn",
    }
}

/// How strictly to compare.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether the meaning of a published version may not change at all.
    pub is_frozen: bool,
    /// What becomes of verdicts that could not be reached.
    pub unknown: OnUnknown,
    /// The day that decides which `allow` has ended.
    pub today: Date,
}

/// The contracts of another time or place, as text.
#[derive(Debug, Clone)]
pub struct Reference {
    /// What people call it: `main`, `../before`, `order.placed.v1.yaml`.
    pub label: String,
    /// Its files; none where there were no contracts yet.
    pub sources: Vec<Source>,
}

/// Checks a catalog's files, compares all versions with each other, and with a reference.
///
/// Versions are compared only when every file could be read: what is missing for a typing error is not gone.
///
/// # Errors
/// When the reference cannot be read; its findings name its files.
pub fn check(
    sources: &[Source],
    reference: Option<&Reference>,
    options: Options,
) -> Result<Report, CatalogError> {
    let mut findings = Findings::new(sources);
    let catalog = read::sources(sources, &mut findings);
    let is_read = !findings.has_errors();
    if let Some(catalog) = &catalog {
        check::inside(catalog, &mut findings);
    }
    let (mut compared, mut accepted) = (0, 0);
    if let Some(catalog) = catalog.as_ref().filter(|_| is_read) {
        let published = match reference {
            Some(reference) => read_published(reference, &catalog.system.defaults)?,
            None => Published::new(),
        };
        let label = reference.map_or("", |reference| reference.label.as_str());
        if reference.is_some() && published.is_empty() && catalog.contracts().next().is_some() {
            let message = format!("{label} has no contracts in this place, so all of these are new");
            let hint = "had they another place there, name it; for a git revision: `--against REVISION:PATH`";
            findings.warning_of_catalog("empty-reference", message, hint);
        }
        let mut gate =
            Gate { catalog, published, label, options, findings: &mut findings, compared, accepted };
        gate.run();
        (compared, accepted) = (gate.compared, gate.accepted);
    }
    let mut report = Report::of(catalog, findings, sources.len());
    (report.compared, report.accepted) = (compared, accepted);
    report.against = reference.map(|reference| reference.label.clone());
    Ok(report)
}

/// Published versions with the files they stood in.
type Published = BTreeMap<EventName, BTreeMap<ContractVersion, (String, Contract)>>;

fn read_published(reference: &Reference, defaults: &Defaults) -> Result<Published, CatalogError> {
    let mut findings = Findings::new(&reference.sources);
    let contracts = read::contracts(&reference.sources, defaults, &mut findings);
    if findings.has_errors() {
        return Err(CatalogError { findings: findings.into_vec() });
    }
    let mut published = Published::new();
    for (file, contract) in contracts {
        let versions = published.entry(contract.name.clone()).or_default();
        versions.entry(contract.version).or_insert((file, contract));
    }
    Ok(published)
}

/// One comparison that is to be told: what was expected of whom.
struct Case<'c> {
    old: &'c Contract,
    new: &'c Contract,
    promise: Compatibility,
    policy: Policy,
    /// Where the old one stands: empty for the same folder, ` in main` for the reference.
    origin: String,
}

struct Gate<'a, 's> {
    catalog: &'a Catalog,
    published: Published,
    label: &'a str,
    options: Options,
    findings: &'a mut Findings<'s>,
    compared: usize,
    accepted: usize,
}

impl Gate<'_, '_> {
    fn run(&mut self) {
        let catalog = self.catalog;
        for name in catalog.names() {
            let versions: Vec<&Contract> = catalog.versions(name.as_str()).collect();
            for (index, new) in versions.iter().enumerate() {
                for old in promised_to(&versions[..index], new) {
                    self.keep(&Case {
                        old,
                        new,
                        promise: new.compatibility,
                        policy: new.policy,
                        origin: String::new(),
                    });
                }
            }
        }
        let published = std::mem::take(&mut self.published);
        for (name, versions) in &published {
            for (file, old) in versions.values() {
                match catalog.contract(name.as_str(), old.version) {
                    None => self.removed(file, old),
                    Some(new) => self.same_version(old, new),
                }
            }
            self.next_versions(name, versions);
        }
    }

    /// New versions keep their promises to what was published, also where the catalog tells that otherwise.
    fn next_versions(&mut self, name: &EventName, versions: &BTreeMap<ContractVersion, (String, Contract)>) {
        let catalog = self.catalog;
        for new in catalog.versions(name.as_str()).filter(|new| !versions.contains_key(&new.version)) {
            let earlier: Vec<&Contract> = versions.range(..new.version).map(|(_, (_, old))| old).collect();
            for old in promised_to(&earlier, new) {
                let here = catalog.contract(name.as_str(), old.version);
                // The same comparison was made within the catalog.
                if here.is_some_and(|here| is_same_text(old, here)) {
                    continue;
                }
                let origin = format!(" in {}", self.label);
                self.keep(&Case { old, new, promise: new.compatibility, policy: new.policy, origin });
            }
        }
    }

    fn removed(&mut self, file: &str, old: &Contract) {
        if self.is_allowed("contract/removed", None) {
            self.accepted += 1;
            return;
        }
        let message = format!("{} is published in {} and gone here", old.label(), self.label);
        let hint = format!(
            "put the file back, or bring this up to date with {}: recorded events are read by it; `lifecycle: {{ deprecated: …, sunset: … }}` retires it",
            self.label
        );
        self.findings.of_file("contract/removed", file, message, hint);
    }

    /// A version that is published already means what it meant.
    fn same_version(&mut self, old: &Contract, new: &Contract) {
        self.compared += 1;
        if is_same_text(old, new) {
            return;
        }
        let changes = list_changes(old, new);
        let changes: Vec<&Change> = changes.iter().filter(|change| !change.is_wording()).collect();
        if changes.is_empty() {
            return;
        }
        if self.options.is_frozen {
            changes.iter().for_each(|change| self.frozen(old, new, change));
            return;
        }
        let origin = format!(" in {}", self.label);
        let case = Case { old, new, promise: old.compatibility, policy: old.policy, origin };
        let is_told = match mode_of(case.promise) {
            Some(mode) => {
                let whole = outcome_under(old, new, case.policy, mode);
                self.tell(&case, mode, &whole)
            }
            None => false,
        };
        if !is_told && !self.accepts("contract/edited", new) {
            let message = format!(
                "{} means something else here than in {}: {}",
                new.label(),
                self.label,
                places(&changes)
            );
            let hint = format!("a change of meaning is the next version: write {}", self.next_file(new));
            self.findings.compared(
                "contract/edited",
                Severity::Warning,
                span_of(changes[0], new),
                message,
                hint,
                None,
            );
        }
    }

    fn frozen(&mut self, old: &Contract, new: &Contract, change: &Change) {
        if self.accepts("contract/frozen", new) {
            return;
        }
        let what = match (&change.before, &change.after) {
            (Some(before), Some(after)) => format!("{before} -> {after}"),
            (Some(before), None) => format!("without {before}"),
            (None, Some(after)) => format!("with {after}"),
            (None, None) => change.kind.to_string(),
        };
        let message = format!(
            "{} is published in {}, so its meaning may not change: {}: {what}",
            old.label(),
            self.label,
            place(change)
        );
        let hint = format!("put it back, and write the change into {}", self.next_file(new));
        self.findings.compared("contract/frozen", Severity::Error, span_of(change, new), message, hint, None);
    }

    fn keep(&mut self, case: &Case<'_>) {
        let Some(mode) = mode_of(case.promise) else { return };
        self.compared += 1;
        let whole = outcome_under(case.old, case.new, case.policy, mode);
        self.tell(case, mode, &whole);
    }

    /// Tells why a promise is not kept, change by change; says whether there was anything to tell.
    fn tell(&mut self, case: &Case<'_>, mode: Mode, whole: &Outcome) -> bool {
        if *whole == Outcome::Compatible {
            return false;
        }
        for guilt in compare_under(case.old, case.new, case.policy).guilty(mode) {
            let (place, span) = match guilt.change {
                Some(change) => (place(change), span_of(change, case.new)),
                None => ("payload".to_owned(), case.new.span),
            };
            self.tell_one(case, mode, &place, span, &guilt.outcome);
        }
        true
    }

    fn tell_one(&mut self, case: &Case<'_>, mode: Mode, place: &str, span: Span, outcome: &Outcome) {
        let (old, new) = (case.old.label(), case.new.label());
        let proof = |side, path, counterexample| Proof {
            old: format!("{old}{}", case.origin),
            new: new.clone(),
            mode: mode.as_str(),
            verdict: outcome.as_str(),
            side,
            path,
            counterexample,
        };
        let (rule, severity, why, proof) = match outcome {
            Outcome::Compatible => return,
            Outcome::Unknown { why } => {
                let severity = match self.options.unknown {
                    OnUnknown::Fail => Severity::Error,
                    OnUnknown::Warn => Severity::Warning,
                };
                (UNKNOWN, severity, format!("it cannot be decided: {why}"), proof(None, None, None))
            }
            Outcome::Breaking(harm) => {
                // Steps are tried on what stands in this catalog; of the reference's words they know nothing.
                let is_bridged =
                    case.origin.is_empty() && self.catalog.bridges(mode, harm, case.old.version, case.new);
                let severity = if is_bridged { Severity::Warning } else { Severity::Error };
                let bridge = if is_bridged { " (`upcast` helps those who read through it)" } else { "" };
                let (side, document) = (Some(harm.side.as_str()), harm.counterexample.clone());
                let why = format!("the {} breaks: {}{bridge}", harm.side, harm.why);
                (harm.rule.as_str(), severity, why, proof(side, harm.path.clone(), document))
            }
        };
        if self.accepts(rule, case.new) {
            return;
        }
        let breaks = if rule == UNKNOWN { "may break" } else { "breaks" };
        let message =
            format!("{new} {breaks} its promise `{}` to {old}{}: {place}: {why}", case.promise, case.origin);
        let hint = match case.origin.is_empty() {
            _ if rule == UNKNOWN => {
                "simplify the schema, or pass `--unknown warn` and look at it yourself".to_owned()
            }
            false if case.old.version == case.new.version => {
                format!("put it back, and write the change into {}", self.next_file(case.new))
            }
            _ => self.remedy(rule, case.new),
        };
        self.findings.compared(rule, severity, span, message, hint, Some(proof));
    }

    /// The file of a version that is not there yet.
    fn next_file(&self, contract: &Contract) -> String {
        let newest = self.catalog.versions(contract.name.as_str()).next_back().unwrap_or(contract);
        format!("{}.v{}.yaml", contract.name, newest.version + 1)
    }

    /// What to do about a break that may be meant.
    fn remedy(&self, rule: &str, new: &Contract) -> String {
        if let Some(ended) = self.catalog.allows(rule, Some(new)).find_map(|allow| allow.until) {
            return format!("its `allow` ended on {ended}");
        }
        format!(
            "take it back; if it is meant, accept it with a reason: `allow: [{{ rule: {rule}, reason: … }}]`, and publish both versions for a while"
        )
    }

    fn is_allowed(&self, rule: &str, contract: Option<&Contract>) -> bool {
        self.catalog
            .allows(rule, contract)
            .any(|allow| allow.until.is_none_or(|until| until >= self.options.today))
    }

    /// Counts a finding that the contract or the system accepts.
    fn accepts(&mut self, rule: &str, contract: &Contract) -> bool {
        let is_allowed = self.is_allowed(rule, Some(contract));
        self.accepted += usize::from(is_allowed);
        is_allowed
    }
}

/// Whether two contracts are written with the same words, so that nothing needs to be judged.
fn is_same_text(old: &Contract, new: &Contract) -> bool {
    (old.compatibility, old.policy) == (new.compatibility, new.policy)
        && old.document.to_json_text() == new.document.to_json_text()
}

fn span_of(change: &Change, new: &Contract) -> Span {
    change.span.unwrap_or(new.span)
}

fn place(change: &Change) -> String {
    match change.path.as_str() {
        "" => format!("payload: {}", change.kind),
        path if path == change.kind.as_str() => path.to_owned(),
        path => format!("`{path}` ({})", change.kind),
    }
}

/// Most places that one line names.
const PLACES_MAX: usize = 3;

fn places(changes: &[&Change]) -> String {
    let mut named: Vec<String> = changes.iter().take(PLACES_MAX).map(|change| place(change)).collect();
    if changes.len() > PLACES_MAX {
        named.push(format!("{} more", changes.len() - PLACES_MAX));
    }
    named.join(", ")
}
