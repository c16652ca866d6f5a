//! What is wrong with a system of events: its catalog, and the code beside it.
//!
//! Rules are small functions over one read-only view; what they find is accepted, known already, or told. Deterministic
//! and offline: the day it is comes from outside.

use std::borrow::Cow;
use std::collections::BTreeMap;

use factum_contract::promises::{self, OnUnknown};
use factum_contract::{Date, Finding, Severity, Source, Span, nearest};
use serde::Serialize;

pub mod baseline;
pub mod checklist;
pub mod fix;
pub mod flowed;
pub mod input;
pub mod payload;
pub mod rule;
mod rules;
pub mod view;
mod wall;
pub mod words;

pub use checklist::Checklist;
pub use rule::{Profile, Rule};

use crate::sources::{Code, Scan};
use checklist::Asked;
use rule::{Check, Fix, Found, Hit};
use view::{Documents, View, items, text_of};

/// How to review.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which rules are asked.
    pub profile: Profile,
    /// Only these rules or families (`name`, `name/command`); all of the profile when empty.
    pub only: Vec<String>,
    /// The day that decides what has ended.
    pub today: Date,
}

/// What a review found; serialises as the `--json` output.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Findings, the worst first, then in the order of files and lines.
    pub findings: Vec<Finding>,
    /// Contract versions that were read.
    pub contracts: usize,
    /// Files of the catalog.
    pub files: usize,
    /// Source files that were looked at.
    pub sources: usize,
    /// Findings that an `allow` accepts.
    pub accepted: usize,
    /// Findings that the baseline knows.
    pub known: usize,
    /// The questions of every review, answered.
    pub checklist: Checklist,
    /// Changes of files that settle findings.
    #[serde(skip)]
    pub fixes: Vec<(Span, Fix)>,
    /// Findings that carry a fix.
    pub fixable: usize,
    /// How much of a broker was looked at, when one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<flowed::Live>,
}

impl Report {
    /// Puts the worst first, then files and lines in their order.
    pub fn sort(&mut self) {
        let place = |one: &Finding| (one.severity, one.file.clone(), one.line, one.column, one.rule.clone());
        self.findings.sort_by_cached_key(place);
    }

    /// How many findings are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// Reviews a catalog, and the code beside it.
#[must_use]
pub fn review(documents: &Documents, code: &Code, options: &Options) -> Report {
    review_told(documents, code, options, &|finding| finding)
}

/// The same, with each finding told as somebody wants to read it.
fn review_told(
    documents: &Documents,
    code: &Code,
    options: &Options,
    tell: &dyn Fn(Finding) -> Finding,
) -> Report {
    let view = View::of(documents);
    let sources: Vec<Source> = documents.sources.iter().chain(&code.sources).cloned().collect();
    let mut hits = run(&view, code, options);
    let mut findings: Vec<Finding> = documents.broken.clone();
    let mut allowed = allows(&view);
    let proven = compared(documents, &view, options);
    let mut accepted = 0;
    let mut accepts = |rule: &str, file: Option<u32>| {
        let mut is_accepted = false;
        for allow in allowed.iter_mut().filter(|allow| allow.covers(rule, file)) {
            allow.is_used = true;
            is_accepted |= allow.until.is_none_or(|until| until >= options.today);
        }
        is_accepted
    };
    for finding in proven {
        let file = documents.sources.iter().position(|source| source.name == finding.file);
        match accepts(&finding.rule, file.and_then(|file| u32::try_from(file).ok())) {
            true => accepted += 1,
            false => findings.push(finding),
        }
    }
    let before = hits.len();
    hits.retain(|hit| !accepts(hit.rule.id, hit.span.map(|span| span.file)));
    accepted += before - hits.len();
    hits.extend(of_allows(&allowed, code, options));
    let fixes: Vec<(Span, Fix)> = hits.iter().filter_map(|hit| Some((hit.span?, hit.fix.clone()?))).collect();
    findings.extend(hits.iter().map(|hit| told(hit, &sources)));
    let findings = findings.into_iter().map(tell).collect();
    let checklist = Checklist::default();
    let mut report = Report {
        findings,
        contracts: view.contracts.len(),
        files: documents.sources.len(),
        sources: code.files,
        accepted,
        known: 0,
        checklist,
        fixable: fixes.len(),
        fixes,
        live: None,
    };
    report.sort();
    let asked = if options.only.is_empty() { Asked::All } else { Asked::Some };
    report.checklist = Checklist::of(&report.findings, &view, code, asked);
    report
}

/// Asks every rule of the profile.
fn run(view: &View<'_>, code: &Code, options: &Options) -> Vec<Hit> {
    let scan = Scan::of(view, code);
    let mut found: Option<Found> = None;
    for rule in rule::all().filter(|rule| is_asked(rule, options)) {
        let found = found.get_or_insert_with(|| Found { rule, hits: Vec::new(), today: options.today });
        found.rule = rule;
        match rule.check {
            Check::Catalog(check) => check(view, found),
            Check::Code(check) if !scan.units.is_empty() => check(&scan, found),
            Check::Both(of_catalog, of_code) => {
                of_catalog(view, found);
                of_code(&scan, found);
            }
            Check::Code(_) | Check::Review => {}
        }
    }
    found.map(|found| found.hits).unwrap_or_default()
}

fn is_asked(rule: &Rule, options: &Options) -> bool {
    let is_named = |name: &String| rule.id == name || rule.id.split('/').next() == Some(name);
    match options.only.is_empty() {
        true => rule.profile <= options.profile,
        false => options.only.iter().any(is_named),
    }
}

fn told(hit: &Hit, sources: &[Source]) -> Finding {
    Finding::at(sources, hit.span, hit.rule.id, hit.severity, &hit.message, Some(hit.rule.fix))
}

/// What the stricter reader says that belongs to a rule here: broken promises, and examples that break their schema.
fn compared(documents: &Documents, view: &View<'_>, options: &Options) -> Vec<Finding> {
    if view.system.is_none() || !documents.broken.is_empty() {
        return Vec::new();
    }
    let strict = promises::Options { is_frozen: false, unknown: OnUnknown::Warn, today: options.today };
    let Ok(report) = promises::check(&documents.sources, None, strict) else { return Vec::new() };
    let as_rule = |finding: &Finding| match finding.rule.as_ref() {
        "example" => Some("doc/no-example"),
        "judge/unknown" => None,
        rule if rule.starts_with("judge/") && finding.severity == Severity::Error => {
            Some("compat/breaking-no-major")
        }
        // A schema that contains itself, or points nowhere.
        "reference" => Some("reference"),
        _ => None,
    };
    let mut found = Vec::new();
    for mut finding in report.findings {
        let Some(name) = as_rule(&finding) else { continue };
        let is_wanted = rule::find(name).is_none_or(|rule| {
            is_asked(rule, options) || rule.id == "doc/no-example" && options.only.is_empty()
        });
        if is_wanted {
            finding.rule = Cow::Borrowed(name);
            found.push(finding);
        }
    }
    found
}

/// A finding that the catalog accepts.
struct Allowed<'d> {
    rule: view::Word<'d>,
    until: Option<Date>,
    /// The file of the contract; none where the system accepts it everywhere.
    file: Option<u32>,
    is_used: bool,
    /// Whether it stands in a version that has a newer one: rules look at the newest.
    is_old: bool,
}

impl Allowed<'_> {
    fn covers(&self, rule: &str, file: Option<u32>) -> bool {
        self.rule.text == rule && (self.file.is_none() || self.file == file)
    }
}

fn allows<'d>(view: &View<'d>) -> Vec<Allowed<'d>> {
    let of = |node: &'d factum_contract::node::Node, is_system: bool, is_old: bool| {
        let list = node.get("allow").map(items).unwrap_or_default();
        list.iter().filter_map(move |one| {
            let rule = one.get("rule").and_then(text_of)?;
            let until = one.get("until").and_then(|until| until.as_text()?.parse().ok());
            Some(Allowed {
                rule,
                until,
                file: (!is_system).then_some(rule.span.file),
                is_used: false,
                is_old,
            })
        })
    };
    let is_old = |contract: &view::ContractView<'_>| {
        view.contract(contract.name.text).is_some_and(|newest| newest.version != contract.version)
    };
    let contracts = view.contracts.iter().flat_map(|contract| of(contract.node, false, is_old(contract)));
    contracts.chain(view.system.into_iter().flat_map(|system| of(system, true, false))).collect()
}

/// What is wrong with accepted findings themselves.
fn of_allows(allowed: &[Allowed<'_>], code: &Code, options: &Options) -> Vec<Hit> {
    let (Some(expired), Some(unused)) = (rule::find("allow/expired"), rule::find("allow/unused")) else {
        return Vec::new();
    };
    let mut hits = Vec::new();
    let mut hit = |rule: &'static Rule, span: Span, message: String| {
        if is_asked(rule, options) {
            hits.push(Hit { rule, severity: rule.severity, span: Some(span), message, fix: None });
        }
    };
    for allow in allowed {
        let name = allow.rule.text;
        // Those of `factum contract check` are its concern.
        if !name.contains('/') || ["judge/", "contract/"].iter().any(|family| name.starts_with(family)) {
            continue;
        }
        let Some(known) = rule::find(name) else {
            let near = nearest::suggest(name, rule::all().map(|rule| rule.id))
                .filter(|near| near.starts_with("did you"));
            let near = near.map(|near| format!(": {near}")).unwrap_or_default();
            hit(unused, allow.rule.span, format!("there is no rule `{name}`{near}"));
            continue;
        };
        match allow.until.filter(|until| *until < options.today) {
            Some(until) if allow.is_used => {
                hit(expired, allow.rule.span, format!("`{name}` was accepted until {until}"));
            }
            _ if allow.is_used || allow.is_old => {}
            // What was not asked could not be found.
            _ if !is_asked(known, options)
                || matches!(known.check, Check::Code(_)) && code.units.is_empty() => {}
            _ => hit(unused, allow.rule.span, format!("`{name}` is accepted, and does not occur")),
        }
    }
    hits
}

/// How many findings each rule has, for tables.
#[must_use]
pub fn by_rule(findings: &[Finding]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.rule.as_ref()).or_insert(0) += 1;
    }
    counts
}

/// Rules whose pages have the most words of a question, the best first; none when no word is known.
#[must_use]
pub fn answering(question: &str) -> Vec<&'static Rule> {
    const EMPTY: [&str; 24] = [
        "the", "and", "for", "are", "our", "its", "how", "what", "with", "that", "this", "from", "have",
        "has", "does", "when", "why", "should", "event", "events", "review", "check", "you", "not",
    ];
    let asked: Vec<String> = words::split(question)
        .into_iter()
        .filter(|word| word.len() > 2 && !EMPTY.contains(&word.as_str()))
        .collect();
    let stem = |word: &str| word.chars().take(6).collect::<String>();
    let score = |rule: &Rule| -> usize {
        let head = words::split(&format!("{} {}", rule.id, rule.title))
            .iter()
            .map(|word| stem(word))
            .collect::<Vec<_>>();
        let body = words::split(&format!("{} {}", rule.why, rule.fix))
            .iter()
            .map(|word| stem(word))
            .collect::<Vec<_>>();
        asked
            .iter()
            .map(|word| 3 * usize::from(head.contains(&stem(word))) + usize::from(body.contains(&stem(word))))
            .sum()
    };
    let mut scored: Vec<(usize, &'static Rule)> =
        rule::all().map(|rule| (score(rule), rule)).filter(|(score, _)| *score > 0).collect();
    scored.sort_by(|a, b| (b.0, a.1.id).cmp(&(a.0, b.1.id)));
    scored.into_iter().map(|(_, rule)| rule).take(8).collect()
}
