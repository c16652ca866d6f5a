//! One event or command as its contract describes it.

use factum_core::{Category, ContractVersion, EventName, EventType, Kind, Topic};

use crate::catalog::CatalogError;
use crate::date::Date;
use crate::finding::{Findings, Source, Span};
use crate::node::{Content, Entry, Node};
use crate::read;
use crate::schema::Schema;
use crate::system::Defaults;
use crate::upcast::Step;
use crate::words::{Placed, ServiceName, words};

/// Name, version, payload and rules of one event or command.
#[derive(Debug, Clone)]
pub struct Contract {
    /// Where its name stands.
    pub span: Span,
    /// Its name.
    pub name: EventName,
    /// Its version, from 1.
    pub version: ContractVersion,
    /// Event or command.
    pub kind: Kind,
    /// Why it exists (the key `category` of the language).
    pub purpose: Purpose,
    /// One sentence for people.
    pub summary: Option<String>,
    /// All that people should know.
    pub description: Option<String>,
    /// The service that owns the meaning.
    pub owner: Placed<ServiceName>,
    /// Who may build on it.
    pub audience: Audience,
    /// Where it is published.
    pub topic: Placed<Topic>,
    /// Category of the streams that hold it (the key `stream` of the language).
    pub category: Category,
    /// The field that keeps related events in order.
    pub key: Placed<String>,
    /// How far order is promised.
    pub ordering: Ordering,
    /// Which versions can be read by readers of which others.
    pub compatibility: Compatibility,
    /// What readers do with fields that they do not know.
    pub policy: Policy,
    /// What it carries.
    pub payload: Schema,
    /// Names that may never be used again.
    pub reserved: Vec<Placed<String>>,
    /// Payloads as they are sent; checked against the payload's schema.
    pub examples: Vec<Node>,
    /// From when until when it is in use.
    pub lifecycle: Lifecycle,
    /// How the payload of the version before becomes this one's.
    pub upcast: Vec<Placed<Step>>,
    /// Findings that are accepted, with a reason and an end.
    pub allow: Vec<Allow>,
    /// The document it was read from.
    pub document: Node,
}

impl Contract {
    /// Its type, as envelopes carry it.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        EventType {
            name: self.name.clone(),
            version: self.version,
            kind: self.kind,
            category: self.category.clone(),
            topic: self.topic.value.clone(),
        }
    }

    /// `order.placed.v1`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}.v{}", self.name, self.version)
    }

    /// The contract as one JSON text that needs no system file: what the system's defaults and the names' rules add
    /// is written out.
    #[must_use]
    pub fn to_json_text(&self) -> String {
        let mut document = self.document.clone();
        let Content::Map(entries) = &mut document.content else { return document.to_json_text() };
        let settled = [
            ("topic", self.topic.as_str()),
            ("stream", self.category.as_str()),
            ("ordering", self.ordering.as_str()),
            ("compatibility", self.compatibility.as_str()),
            ("policy", self.policy.as_str()),
        ];
        for (key, word) in settled {
            if entries.iter().all(|entry| entry.key != key) {
                let value = Node { span: self.span, content: Content::Text(word.to_owned()) };
                entries.push(Entry { key: key.to_owned(), key_span: self.span, value });
            }
        }
        document.to_json_text()
    }

    /// Reads what [`Contract::to_json_text`] wrote.
    ///
    /// # Errors
    /// When the text is no contract, or one that this release cannot read.
    pub fn of_json_text(text: &str) -> Result<Self, CatalogError> {
        let sources = [Source::new("contract.json", text)];
        let mut findings = Findings::new(&sources);
        let node = read::document(&sources[0], &mut findings);
        let contract = node.and_then(|node| read::contract(&node, &Defaults::default(), &mut findings));
        match contract {
            Some(contract) if !findings.has_errors() => Ok(contract),
            _ => Err(CatalogError { findings: findings.into_vec() }),
        }
    }
}

words! {
    /// Why an event exists.
    Purpose {
        /// It means something to the business.
        Business = "business",
        /// It reports that data changed.
        DataChange = "data-change",
        /// It tells somebody to look.
        Notification = "notification",
        /// It exists for another system.
        Integration = "integration",
    }
}

words! {
    /// Who may build on a contract, from near to far.
    Audience {
        /// The component that owns it.
        Component = "component",
        /// The domain.
        Domain = "domain",
        /// The company.
        Company = "company",
        /// Named partners.
        Partner = "partner",
        /// Anybody.
        Public = "public",
    }
}

words! {
    /// How far order is promised.
    Ordering {
        /// Not at all.
        None = "none",
        /// Among events of one key.
        PerKey = "per-key",
        /// Among all events of the topic.
        Total = "total",
    }
}

words! {
    /// Which versions can be read by readers of which others.
    Compatibility {
        /// Nothing is promised.
        None = "none",
        /// Readers of this version read the one before.
        Backward = "backward",
        /// Readers of this version read all before.
        BackwardTransitive = "backward-transitive",
        /// Readers of the version before read this one.
        Forward = "forward",
        /// Readers of all versions before read this one.
        ForwardTransitive = "forward-transitive",
        /// Both ways with the version before.
        Full = "full",
        /// Both ways with all before.
        FullTransitive = "full-transitive",
    }
}

impl Compatibility {
    /// Whether readers of older versions can read a version that promises this.
    #[must_use]
    pub fn is_forward(self) -> bool {
        matches!(self, Self::Forward | Self::ForwardTransitive | Self::Full | Self::FullTransitive)
    }

    /// Whether the promise is to all versions before, not only to the last one.
    #[must_use]
    pub fn is_transitive(self) -> bool {
        matches!(self, Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive)
    }
}

words! {
    /// What readers do with fields that they do not know.
    Policy {
        /// They ignore them.
        Lenient = "lenient",
        /// Every document of one side must be valid on the other.
        Strict = "strict",
    }
}

/// From when until when a contract is in use.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    /// In use since.
    pub since: Option<Date>,
    /// Not for new readers from.
    pub deprecated: Option<Date>,
    /// Gone from.
    pub sunset: Option<Date>,
    /// What to use instead.
    pub replaced_by: Option<Placed<EventName>>,
}

/// A finding that is accepted.
#[derive(Debug, Clone)]
pub struct Allow {
    /// The finding's rule.
    pub rule: Placed<String>,
    /// Why.
    pub reason: String,
    /// Until when; for good when absent.
    pub until: Option<Date>,
}
