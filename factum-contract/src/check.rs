//! Everything that can be said about a catalog without its history: `factum contract check`.

use serde::Serialize;

use crate::catalog::Catalog;
use crate::finding::{Finding, Findings, Severity, Source};
use crate::read;

pub(crate) mod examples;
pub(crate) mod links;
mod personal;
pub(crate) mod rules;
pub(crate) mod upcasts;

pub use upcasts::UpcastFault;

#[cfg(feature = "tooling")]
pub(crate) use rules::{folded, is_identity};

/// What a check found; serialises as the `--json` output.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Errors and warnings, in the order of files and lines.
    pub findings: Vec<Finding>,
    /// How many files were read.
    pub files: usize,
    /// How many contract versions were understood.
    pub contracts: usize,
    /// How many pairs of versions were compared.
    pub compared: usize,
    /// How many findings of comparisons are accepted by an `allow`, and left out.
    pub accepted: usize,
    /// What the catalog was compared with, besides itself.
    pub against: Option<String>,
    /// The catalog, when it has no errors.
    #[serde(skip)]
    pub catalog: Option<Catalog>,
}

impl Report {
    pub(crate) fn of(catalog: Option<Catalog>, findings: Findings<'_>, files: usize) -> Self {
        let contracts = catalog.as_ref().map_or(0, |catalog| catalog.contracts().count());
        let catalog = catalog.filter(|_| !findings.has_errors());
        let findings = findings.into_vec();
        Self { findings, files, contracts, compared: 0, accepted: 0, against: None, catalog }
    }

    /// How many findings are errors.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many findings are warnings.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

impl std::fmt::Display for Report {
    /// Prints every finding with its line, then the sum.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let plural =
            |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        write!(
            f,
            "{} in {}: {}, {}",
            plural(self.contracts, "contract"),
            plural(self.files, "file"),
            plural(self.errors(), "error"),
            plural(self.warnings(), "warning"),
        )
    }
}

/// Reads the files and checks all that they say: names, rules, versions, examples, upcast steps.
#[must_use]
pub fn check(sources: &[Source]) -> Report {
    let mut findings = Findings::new(sources);
    let catalog = read::sources(sources, &mut findings);
    report(catalog, findings, sources.len())
}

/// The same for one file that lists several contracts under `events` and `commands`.
///
/// What such a file need not say is filled in: the system's name (that of the file), the owner (the system), version 1,
/// and as key the first field that is required.
///
/// ```
/// use factum_contract::{Source, check_one};
/// let text = "events:\n  order.placed:\n    payload: { required: [id], properties: { id: { type: string } } }\n";
/// let report = check_one(&Source::new("shop.yaml", text));
/// assert_eq!((report.errors(), report.catalog.unwrap().system.name.as_str()), (0, "shop"));
/// ```
#[cfg(feature = "tooling")]
#[must_use]
pub fn check_one(source: &Source) -> Report {
    let sources = std::slice::from_ref(source);
    let mut findings = Findings::new(sources);
    let catalog = read::one_source(source, &mut findings);
    report(catalog, findings, 1)
}

fn report(catalog: Option<Catalog>, mut findings: Findings<'_>, files: usize) -> Report {
    if let Some(catalog) = &catalog {
        inside(catalog, &mut findings);
    }
    Report::of(catalog, findings, files)
}

/// What a catalog says about itself: names, rules, examples, upcast steps.
pub(crate) fn inside(catalog: &Catalog, findings: &mut Findings<'_>) {
    links::check(catalog, findings);
    rules::check(catalog, findings);
    examples::check(catalog, findings);
}
