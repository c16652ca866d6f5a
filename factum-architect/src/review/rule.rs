//! What a rule is: its page, and the function that looks.
//!
//! The table is data. A page cannot rot: a test runs every rule over its own bad example, which must be found, and over
//! its good one, which must be clean.

use std::fmt;
use std::fmt::Write as _;

use factum_contract::{Date, Severity, Span};

use super::view::View;
use crate::sources::Scan;

/// Which rules are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Profile {
    /// Those that are right nearly always.
    #[default]
    Recommended,
    /// Those too that ask for more than most systems need.
    Strict,
    /// All.
    All,
}

impl Profile {
    /// The profile's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recommended => "recommended",
            Self::Strict => "strict",
            Self::All => "all",
        }
    }
}

/// Where a rule looks.
#[derive(Clone, Copy)]
pub enum Check {
    /// At the catalog.
    Catalog(fn(&View<'_>, &mut Found)),
    /// At source code, beside the catalog.
    Code(fn(&Scan<'_>, &mut Found)),
    /// At the catalog, and at source code that has names of its own.
    Both(fn(&View<'_>, &mut Found), fn(&Scan<'_>, &mut Found)),
    /// The review itself finds it.
    Review,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Catalog(_) => "Catalog",
            Self::Code(_) => "Code",
            Self::Both(..) => "Both",
            Self::Review => "Review",
        })
    }
}

/// One rule, with its page.
#[derive(Debug)]
pub struct Rule {
    /// Its name: `name/command`.
    pub id: &'static str,
    /// How bad what it finds is, unless a finding says otherwise.
    pub severity: Severity,
    /// The first profile that asks it.
    pub profile: Profile,
    /// What it finds, in one line.
    pub title: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// Files in which it finds something; a line `# PATH` begins each.
    pub bad: &'static str,
    /// The same files put right.
    pub good: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// How it looks.
    pub check: Check,
}

impl Rule {
    /// The rule's page, as `--explain` prints it.
    #[must_use]
    pub fn page(&self) -> String {
        let mut out = format!("{} ({}, {})\n\n", self.id, self.severity.as_str(), self.profile.as_str());
        let indented = |text: &str| -> String {
            text.trim().lines().fold(String::new(), |mut all, line| {
                // Writing to a string cannot fail.
                let _ = writeln!(all, "{}", format!("    {line}").trim_end());
                all
            })
        };
        let _ = write!(out, "{}\n\nWhy: {}\n\nBad:\n\n{}", self.title, self.why, indented(self.bad));
        let _ = write!(out, "\nGood:\n\n{}\nWhat to do: {}\n", indented(self.good), self.fix);
        let _ = write!(
            out,
            "\nTo accept it, in the contract or in system.yaml:\n\n    allow:\n      - {{ rule: {}, reason: …, until: 2027-01-01 }}\n",
            self.id
        );
        out
    }
}

/// A change of a file that settles a finding without a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// A new line below the line of the place, with its indentation.
    LineBelow(String),
    /// A keyword more in the map that begins at the place: in its braces, or on a line of its own.
    Keyword(String),
}

/// One thing that a rule found.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The rule.
    pub rule: &'static Rule,
    /// How bad it is.
    pub severity: Severity,
    /// Where; nowhere when it is about the whole.
    pub span: Option<Span>,
    /// What was found.
    pub message: String,
    /// What settles it.
    pub fix: Option<Fix>,
}

/// What the rules have found so far.
#[derive(Debug)]
pub struct Found {
    /// The rule that looks now.
    pub(crate) rule: &'static Rule,
    /// What was found.
    pub(crate) hits: Vec<Hit>,
    /// The day that decides what has ended.
    pub today: Date,
}

impl Found {
    /// Something at a place.
    pub(crate) fn at(&mut self, span: Span, message: impl Into<String>) {
        self.put(self.rule.severity, Some(span), message.into(), None);
    }

    /// The same, worse or less bad than the rule's findings are.
    pub(crate) fn as_bad_as(&mut self, severity: Severity, span: Span, message: impl Into<String>) {
        self.put(severity, Some(span), message.into(), None);
    }

    /// The same, with a change that settles it.
    pub(crate) fn fixed_by(&mut self, span: Span, fix: Fix, message: impl Into<String>) {
        self.put(self.rule.severity, Some(span), message.into(), Some(fix));
    }

    fn put(&mut self, severity: Severity, span: Option<Span>, message: String, fix: Option<Fix>) {
        if self.hits.len() < factum_contract::finding::FINDINGS_MAX {
            self.hits.push(Hit { rule: self.rule, severity, span, message, fix });
        }
    }
}

/// Every rule, family by family.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    super::rules::FAMILIES.iter().flat_map(|family| family.iter())
}

/// The rule of a name.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}
