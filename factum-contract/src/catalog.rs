//! All contracts of a system, with the system around them.

use std::collections::BTreeMap;
use std::fmt;

use factum_core::{ContractVersion, EventName};

use crate::check;
use crate::contract::Contract;
use crate::finding::{Finding, Findings, Severity, Source, Span};
use crate::node::Node;
use crate::read;
use crate::system::System;

/// All contracts of a system, by name and version, with the system around them.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// Services, topics, consumers, sagas, projections.
    pub system: System,
    contracts: BTreeMap<EventName, BTreeMap<ContractVersion, Contract>>,
    documents: Vec<(String, Node)>,
    /// Names of the files that spans count.
    files: Vec<String>,
}

/// The name under which findings show the text that generated code embeds.
const EMBEDDED: &str = "catalog.json";
/// The system's file, whose places generated code keeps beside its content.
const SYSTEM: &str = "system.yaml";

/// A catalog that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone)]
pub struct CatalogError {
    /// Errors and warnings, in the order of files and lines.
    pub findings: Vec<Finding>,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors: Vec<&Finding> =
            self.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        match errors.as_slice() {
            [one] => write!(f, "the catalog cannot be used:\n{one}"),
            _ => {
                writeln!(f, "the catalog cannot be used, {} errors:", errors.len())?;
                errors.iter().try_for_each(|finding| write!(f, "{finding}"))
            }
        }
    }
}

impl std::error::Error for CatalogError {}

impl Catalog {
    /// Reads a catalog from its files.
    ///
    /// # Errors
    /// All errors of all files, when there is one.
    pub fn read(sources: &[Source]) -> Result<Self, CatalogError> {
        let mut findings = Findings::new(sources);
        let catalog = read::sources(sources, &mut findings).map(|mut catalog| {
            catalog.files = sources.iter().map(|source| source.name.clone()).collect();
            catalog
        });
        Self::usable(catalog, findings)
    }

    fn usable(catalog: Option<Self>, mut findings: Findings<'_>) -> Result<Self, CatalogError> {
        if let Some(catalog) = &catalog {
            check::links::check(catalog, &mut findings);
            check::rules::check(catalog, &mut findings);
        }
        match catalog {
            Some(catalog) if !findings.has_errors() => Ok(catalog),
            _ => Err(CatalogError { findings: findings.into_vec() }),
        }
    }

    pub(crate) fn assemble(
        system: System,
        system_document: (String, Node),
        contracts: Vec<(String, Contract)>,
        findings: &mut Findings<'_>,
    ) -> Self {
        let mut catalog = Self {
            system,
            contracts: BTreeMap::new(),
            documents: vec![system_document],
            files: vec![EMBEDDED.to_owned(), SYSTEM.to_owned()],
        };
        for (file, contract) in contracts {
            let versions = catalog.contracts.entry(contract.name.clone()).or_default();
            if versions.contains_key(&contract.version) {
                let message = format!("{} is described twice", contract.label());
                findings.error_with_hint("duplicate-contract", contract.span, message, "raise its `version`");
                continue;
            }
            catalog.documents.push((file, contract.document.clone()));
            versions.insert(contract.version, contract);
        }
        catalog.documents.sort_by(|a, b| a.0.cmp(&b.0));
        catalog
    }

    /// Every contract version, by name and then version.
    pub fn contracts(&self) -> impl Iterator<Item = &Contract> {
        self.contracts.values().flat_map(BTreeMap::values)
    }

    /// The newest version of every contract, by name.
    pub fn latest(&self) -> impl Iterator<Item = &Contract> {
        self.contracts.values().filter_map(|versions| versions.values().next_back())
    }

    /// One contract version.
    #[must_use]
    pub fn contract(&self, name: &str, version: ContractVersion) -> Option<&Contract> {
        self.contracts.get(name)?.get(&version)
    }

    /// All versions of one contract, from old to new.
    pub fn versions(&self, name: &str) -> impl DoubleEndedIterator<Item = &Contract> {
        self.contracts.get(name).into_iter().flat_map(BTreeMap::values)
    }

    /// Names of all contracts.
    pub fn names(&self) -> impl Iterator<Item = &EventName> {
        self.contracts.keys()
    }

    /// A place as people look for it: `system.yaml:12:3`. Of a generated catalog, the system's parts keep the place in
    /// the file that they were generated from.
    #[must_use]
    pub fn place(&self, span: Span) -> String {
        let file = self.files.get(span.file as usize).map_or("the catalog", String::as_str);
        format!("{file}:{}:{}", span.line, span.column)
    }

    /// The whole catalog as one JSON text, a file per line: what generated code embeds.
    #[must_use]
    pub fn to_embedded(&self) -> String {
        let files: Vec<String> = self
            .documents
            .iter()
            .map(|(name, node)| format!("{}:{}", serde_json::Value::from(name.as_str()), node.to_json_text()))
            .collect();
        let note = "generated by `factum generate rust`; change the contracts, not this file";
        let mut places = Vec::new();
        if let Some((_, system)) = self.documents.iter().find(|(name, _)| read::is_system(name)) {
            system.places(&mut places);
        }
        let places: Vec<String> = places.iter().map(ToString::to_string).collect();
        format!(
            "{{\"note\":\"{note}\",\"revision\":1,\"files\":{{\n{}\n}},\n\"places\":[{}]}}\n",
            files.join(",\n"),
            places.join(",")
        )
    }
}

/// A catalog as a constant of generated code: nothing is read until it is asked for.
///
/// ```
/// use factum_contract::CatalogSource;
/// const CATALOG: CatalogSource = CatalogSource::new(r#"{"revision":1,"files":{"system.yaml":{"system":"shop"}}}"#);
/// assert_eq!(CATALOG.load()?.system.name.as_str(), "shop");
/// # Ok::<(), factum_contract::CatalogError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct CatalogSource {
    json: &'static str,
}

impl CatalogSource {
    /// A catalog from the JSON text that `factum generate rust` writes.
    #[must_use]
    pub const fn new(json: &'static str) -> Self {
        Self { json }
    }

    /// Reads the catalog.
    ///
    /// # Errors
    /// When the text is not a catalog, or one that is broken.
    pub fn load(self) -> Result<Catalog, CatalogError> {
        let sources = [Source::new(EMBEDDED, self.json), Source::new(SYSTEM, "")];
        let mut findings = Findings::new(&sources);
        let catalog = read::embedded(&sources[0], &mut findings);
        Catalog::usable(catalog, findings)
    }
}
