//! A system as one AsyncAPI 3.1 document, for tools that know nothing of Factum.
//!
//! What AsyncAPI has a word for is said in its words; what only contracts say stands under keys that begin with `x-`,
//! so that reading the document back gives the same contracts. Bindings hold what their specifications know and
//! nothing else. Payloads use the default schema format, in the part of JSON Schema that draft 7 and 2020-12 share.

use factum_core::pointer;

use crate::canonical;
use crate::catalog::Catalog;
use crate::flow::Flow;
use crate::node::Node;
use crate::node::build::Map;
use crate::node::write::{self, Width};

use super::{BadExample, Generated, GeneratedFile, MARK, examples_are_good};

mod bindings;
mod events;
mod operations;
mod server;
mod topics;

pub use server::{Server, ServerError};

/// The version of the specification that is written.
pub const SPECIFICATION: &str = "3.1.0";

/// The key at the root that says: the `x-` keys of this document are those of Factum.
pub(crate) const ROOT_KEY: &str = "x-factum";

/// The revision of the `x-` keys that is written, and the newest that is read.
pub(crate) const REVISION: u64 = 1;

/// How the document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// YAML.
    #[default]
    Yaml,
    /// JSON.
    Json,
}

/// What the catalog does not know and the document should say.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the file.
    pub file: String,
    /// How it is written.
    pub format: Format,
    /// Version of the document, for `info.version`.
    pub version: String,
    /// Where the system's brokers are; those of a developer's machine when there is none.
    pub servers: Vec<Server>,
    /// Page of those to ask.
    pub contact_url: Option<String>,
    /// E-mail address of those to ask.
    pub contact_email: Option<String>,
    /// Name of the licence under which the interface may be used.
    pub license: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            file: "asyncapi.yaml".to_owned(),
            format: Format::Yaml,
            version: "1.0.0".to_owned(),
            servers: Vec::new(),
            contact_url: None,
            contact_email: None,
            license: None,
        }
    }
}

/// Something that the document may not say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The page is no URL.
    #[error("expected an absolute URL of those to ask, found {0:?}")]
    ContactUrl(String),
    /// The address is none.
    #[error("expected an e-mail address of those to ask, found {0:?}")]
    ContactEmail(String),
    /// A text is empty.
    #[error("expected a {0}, found an empty text")]
    Empty(&'static str),
}

impl Options {
    /// Whether the document may say all of this.
    ///
    /// # Errors
    /// The first thing that it may not.
    pub fn check(&self) -> Result<(), OptionsError> {
        use crate::schema::Format::{Email, Uri};
        let is = crate::validate::format::is;
        match (&self.contact_url, &self.contact_email) {
            (Some(url), _) if !is(Uri, url) => Err(OptionsError::ContactUrl(url.clone())),
            (_, Some(email)) if !is(Email, email) => Err(OptionsError::ContactEmail(email.clone())),
            _ if self.version.trim().is_empty() => Err(OptionsError::Empty("version of the document")),
            _ if self.license.as_ref().is_some_and(|license| license.trim().is_empty()) => {
                Err(OptionsError::Empty("name of a licence"))
            }
            _ => Ok(()),
        }
    }
}

/// The document of a catalog, as one file.
///
/// # Errors
/// When an example breaks its contract: a document with a wrong example misleads.
pub fn generate(catalog: &Catalog, options: &Options) -> Result<Generated, BadExample> {
    examples_are_good(catalog)?;
    let note = format!("{MARK} asyncapi`; change the contracts, not this file");
    let document = Node::from(document(catalog, options));
    let text = match options.format {
        Format::Yaml => format!("# {note}\n{}", write::yaml(&document, Width::DOCUMENT)),
        Format::Json => write::json(&document, Some(("x-generated", &note))),
    };
    let files = vec![GeneratedFile { path: options.file.clone(), text }];
    Ok(Generated { files, owns_folder: false })
}

fn document(catalog: &Catalog, options: &Options) -> Map {
    let flow = Flow::of(catalog);
    let servers = if options.servers.is_empty() { server::local() } else { options.servers.clone() };
    let protocols = bindings::Protocols::of(&servers);
    let mut map = Map::of("asyncapi", SPECIFICATION);
    map.put("id", format!("urn:factum:system:{}", catalog.system.name));
    map.put("info", info(catalog, options));
    map.put("defaultContentType", "application/json");
    map.put("servers", server::all(&servers));
    map.put("channels", topics::all(catalog, protocols));
    map.put("operations", operations::all(catalog, &flow, protocols));
    let mut components = Map::of("messages", events::all(catalog, protocols));
    components.put("schemas", Map::of(events::HEADERS, events::headers()));
    components.put("correlationIds", Map::of(events::CORRELATION, events::correlation()));
    map.put("components", components);
    let mut own = Map::of("revision", REVISION);
    own.put("system", canonical::system(&catalog.system));
    map.put(ROOT_KEY, own);
    map
}

fn info(catalog: &Catalog, options: &Options) -> Map {
    let system = &catalog.system;
    let mut map = Map::of("title", system.name.as_str());
    map.put("version", options.version.as_str());
    let description = system.description.clone();
    map.put("description", description.unwrap_or_else(|| format!("Events and commands of {}.", system.name)));
    map.put("contact", contact(catalog, options));
    // Linters want a licence; what nobody has stated is said to be so, rather than made up.
    map.put("license", Map::of("name", options.license.as_deref().unwrap_or("not stated")));
    let mut tags: Vec<Map> = Vec::new();
    for (name, service) in &system.services {
        let mut tag = Map::of("name", service_tag(name.as_str()));
        let description = service.description.clone();
        tag.put("description", description.unwrap_or_else(|| format!("The service {name}.")));
        tags.push(tag);
    }
    for (name, team) in &system.teams {
        let mut tag = Map::of("name", team_tag(name.as_str()));
        let description = team.description.clone();
        tag.put("description", description.unwrap_or_else(|| format!("The team {name}.")));
        tags.push(tag);
    }
    map.list("tags", tags);
    map
}

/// Whom to ask about the system: its teams, by the first address of each kind that one of them has.
fn contact(catalog: &Catalog, options: &Options) -> Map {
    let system = &catalog.system;
    let teams: Vec<&str> = system.teams.keys().map(crate::words::TeamName::as_str).collect();
    let given = || system.teams.values().filter_map(|team| team.contact.as_deref());
    let is_page = |text: &&str| text.starts_with("https://") || text.starts_with("http://");
    let is_address = |text: &&str| crate::validate::format::is(crate::schema::Format::Email, text);
    let url = options.contact_url.clone().or_else(|| given().find(is_page).map(str::to_owned));
    let email = options.contact_email.clone().or_else(|| given().find(is_address).map(str::to_owned));
    let name = if teams.is_empty() { system.name.to_string() } else { teams.join(", ") };
    let mut map = Map::of("name", name);
    // Addresses that lead nowhere by the meaning of their names, where nobody has given one.
    map.put("url", url.unwrap_or_else(|| format!("urn:factum:system:{}", system.name)));
    map.put("email", email.unwrap_or_else(|| "not-stated@example.invalid".to_owned()));
    map
}

fn service_tag(name: &str) -> String {
    format!("service:{name}")
}

fn team_tag(name: &str) -> String {
    format!("team:{name}")
}

/// Tags of something that a service owns: the service, and its team.
fn tags(catalog: &Catalog, service: &str) -> Vec<Map> {
    let mut tags = vec![Map::of("name", service_tag(service))];
    let spec = catalog.system.services.get(service);
    let team = spec.and_then(|spec| spec.team.as_ref());
    tags.extend(team.map(|team| Map::of("name", team_tag(team.as_str()))));
    tags
}

/// Who answers for something that a service owns, with where to reach them.
fn owner(catalog: &Catalog, service: &str) -> Map {
    let mut map = Map::of("service", service);
    let spec = catalog.system.services.get(service);
    let team = spec.and_then(|spec| spec.team.as_ref());
    map.maybe("team", team.map(|team| team.as_str()));
    let contact = team.and_then(|team| catalog.system.teams.get(&team.value)?.contact.as_deref());
    map.maybe("contact", contact);
    map
}

/// A reference to a place in the same document.
fn reference(steps: &[&str]) -> Map {
    let steps: Vec<_> = steps.iter().map(|step| pointer::escaped(step)).collect();
    Map::of("$ref", format!("#/{}", steps.join("/")))
}
