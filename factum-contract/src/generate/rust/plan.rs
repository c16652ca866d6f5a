//! Decides which types there are, what they are called and where they live; writes nothing.
//!
//! A type is named by its title, else by its field. Equal types of several categories are one type beside them all, so
//! that a `Currency` of a payment fits into an order; different types of one name within a category carry their
//! event's name before their own. Earlier versions live in a module of their own below their category, and use its
//! types where they are the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use factum_core::ContractVersion;

use super::value::bytes_max;
use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::generate::ident::{module_name, pascal};
use crate::meaning;
use crate::schema::{Format, Schema, Shape};

/// A file of types: a category's, or that of one earlier version in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Module {
    pub(super) category: String,
    /// `None` for the newest version of everything.
    pub(super) version: Option<ContractVersion>,
}

/// Where a type lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Home {
    /// In the root module.
    Root,
    /// In the module of a category or version.
    In(Module),
}

/// A type to be written.
#[derive(Debug, Clone)]
pub(super) struct TypePlan<'c> {
    pub(super) name: String,
    pub(super) home: Home,
    /// The event whose field it is, and that event's module.
    pub(super) owner: String,
    pub(super) module: Module,
    pub(super) field: String,
    pub(super) schema: &'c Schema,
    pub(super) bytes_max: Option<usize>,
}

/// A contract to be written.
#[derive(Debug, Clone)]
pub(super) struct EventPlan<'c> {
    pub(super) name: String,
    pub(super) module: Module,
    pub(super) contract: &'c Contract,
    /// All versions of the contract, from old to new.
    pub(super) versions: Vec<&'c Contract>,
}

/// All that is to be written.
#[derive(Debug)]
pub(super) struct Plan<'c> {
    /// Module names by category.
    pub(super) modules: BTreeMap<String, String>,
    pub(super) events: Vec<EventPlan<'c>>,
    pub(super) types: Vec<TypePlan<'c>>,
    names: HashMap<Site, (Home, String)>,
}

/// Where a type is used, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Site {
    module: Module,
    owner: String,
    base: String,
    meaning: String,
}

/// Two contracts that would be one type in Rust.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} would have the same name in Rust: {name}")]
pub struct SameName {
    /// One contract, or category.
    pub first: String,
    /// The other.
    pub second: String,
    /// The Rust name.
    pub name: String,
}

/// A place in a payload that needs a type of its own.
struct Use<'c> {
    site: Site,
    field: String,
    schema: &'c Schema,
    bytes_max: Option<usize>,
    /// The named types inside, as base and meaning.
    inner: Vec<(String, String)>,
}

impl<'c> Plan<'c> {
    pub(super) fn of(catalog: &'c Catalog) -> Result<Self, SameName> {
        let mut plan =
            Self { modules: BTreeMap::new(), events: Vec::new(), types: Vec::new(), names: HashMap::new() };
        for name in catalog.names() {
            plan.add_contract(catalog.versions(name.as_str()).collect())?;
        }
        let mut uses = Vec::new();
        for event in &plan.events {
            for field in event.contract.payload.fields() {
                let bytes_max = bytes_max(field, &event.contract.key);
                collect(&event.module, &event.name, &field.name, &field.schema, bytes_max, &mut uses);
            }
        }
        let (newest, earlier): (Vec<Use<'c>>, Vec<Use<'c>>) =
            uses.into_iter().partition(|one| one.site.module.version.is_none());
        plan.name_types(&newest);
        let versions: BTreeSet<&Module> = earlier.iter().map(|one| &one.site.module).collect();
        for module in versions {
            let uses: Vec<&Use<'c>> = earlier.iter().filter(|one| one.site.module == *module).collect();
            plan.name_earlier_types(&uses);
        }
        Ok(plan)
    }

    fn add_contract(&mut self, versions: Vec<&'c Contract>) -> Result<(), SameName> {
        let Some(newest) = versions.last() else { return Ok(()) };
        let name = event_name(newest);
        let is_newest = |event: &&EventPlan<'_>| event.module.version.is_none();
        if let Some(other) = self.events.iter().filter(is_newest).find(|event| event.name == name) {
            let (first, second) = (other.contract.name.to_string(), newest.name.to_string());
            return Err(SameName { first, second, name });
        }
        let category = newest.category.to_string();
        let module = module_name(&category);
        let twin = self.modules.iter().find(|(other, name)| **name == module && **other != category);
        if let Some((other, _)) = twin {
            return Err(SameName { first: other.clone(), second: category, name: module });
        }
        self.modules.insert(category.clone(), module);
        for contract in &versions {
            let version = (contract.version != newest.version).then_some(contract.version);
            let module = Module { category: category.clone(), version };
            let versions = versions.clone();
            self.events.push(EventPlan { name: name.clone(), module, contract, versions });
        }
        Ok(())
    }

    /// The events of a module.
    pub(super) fn events_in(&self, module: &Module) -> impl Iterator<Item = &EventPlan<'c>> {
        self.events.iter().filter(move |event| event.module == *module)
    }

    /// The earlier versions that a category has events of.
    pub(super) fn versions_in(&self, category: &str) -> BTreeSet<ContractVersion> {
        let modules = self.events.iter().map(|event| &event.module);
        modules.filter(|module| module.category == category).filter_map(|module| module.version).collect()
    }

    /// The name of a value's type as seen in an event's module; `None` when it needs none of its own.
    pub(super) fn type_name(
        &self,
        owner: &str,
        module: &Module,
        field: &str,
        schema: &Schema,
        bytes_max: Option<usize>,
    ) -> Option<&str> {
        let base = base_name(field, schema, bytes_max)?;
        let meaning = meaning_of(schema, bytes_max);
        let site = Site { module: module.clone(), owner: owner.to_owned(), base, meaning };
        self.names.get(&site).map(|(_, name)| name.as_str())
    }

    /// Names of another home's types that a module uses.
    pub(super) fn taken_from(&self, home: &Home, module: &Module) -> BTreeSet<&str> {
        let used = self.names.iter().filter(|(site, (lives, _))| site.module == *module && lives == home);
        used.map(|(_, (_, name))| name.as_str()).collect()
    }

    fn is_event(&self, name: &str) -> bool {
        self.events.iter().any(|event| event.name == name)
    }

    fn name_types(&mut self, uses: &[Use<'c>]) {
        let shared = shared(uses, |base| self.is_event(base));
        let mut meanings: HashMap<(&Module, &str), BTreeSet<&str>> = HashMap::new();
        for Use { site, .. } in uses {
            meanings.entry((&site.module, &site.base)).or_default().insert(&site.meaning);
        }
        let mut taken = HashMap::new();
        for one in uses {
            let site = &one.site;
            let is_shared = shared.contains(&(site.base.as_str(), site.meaning.as_str()));
            let is_alone = meanings[&(&site.module, site.base.as_str())].len() == 1;
            let home = if is_shared { Home::Root } else { Home::In(site.module.clone()) };
            self.name_type(one, home, is_alone, &mut taken);
        }
    }

    /// Names the types of one earlier version: the category's own where they are the same, else new ones.
    fn name_earlier_types(&mut self, uses: &[&Use<'c>]) {
        let mut meanings: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for Use { site, .. } in uses {
            meanings.entry(&site.base).or_default().insert(&site.meaning);
        }
        let mut taken = HashMap::new();
        let mut own = Vec::new();
        for one in uses {
            let site = &one.site;
            let newest = Module { version: None, ..site.module.clone() };
            let known = self.names.get(&Site { module: newest, ..site.clone() }).cloned();
            let known = known.filter(|(_, name)| {
                let place = (Home::In(site.module.clone()), name.clone());
                meanings[site.base.as_str()].len() == 1
                    && taken.get(&place).is_none_or(|meaning| *meaning == site.meaning)
            });
            match known {
                Some((home, name)) => {
                    taken.insert((Home::In(site.module.clone()), name.clone()), site.meaning.clone());
                    self.names.insert(site.clone(), (home, name));
                }
                None => own.push(*one),
            }
        }
        for one in own {
            let is_alone = meanings[one.site.base.as_str()].len() == 1;
            self.name_type(one, Home::In(one.site.module.clone()), is_alone, &mut taken);
        }
    }

    fn name_type(
        &mut self,
        one: &Use<'c>,
        home: Home,
        is_alone: bool,
        taken: &mut HashMap<(Home, String), String>,
    ) {
        let site = &one.site;
        let is_plain = is_alone && !self.is_event(&site.base);
        let stem = if is_plain { site.base.clone() } else { format!("{}{}", site.owner, site.base) };
        let mut name = stem.clone();
        let mut number = 2;
        while self.is_event(&name)
            || taken.get(&(home.clone(), name.clone())).is_some_and(|meaning| *meaning != site.meaning)
        {
            name = format!("{stem}{number}");
            number += 1;
        }
        if taken.insert((home.clone(), name.clone()), site.meaning.clone()).is_none() {
            self.types.push(TypePlan {
                name: name.clone(),
                home: home.clone(),
                owner: site.owner.clone(),
                module: site.module.clone(),
                field: one.field.clone(),
                schema: one.schema,
                bytes_max: one.bytes_max,
            });
        }
        self.names.insert(site.clone(), (home, name));
    }
}

/// Base names and meanings of the types that live beside all categories.
fn shared<'u>(uses: &'u [Use<'_>], is_event: impl Fn(&str) -> bool) -> BTreeSet<(&'u str, &'u str)> {
    let mut categories: HashMap<(&str, &str), BTreeSet<&Module>> = HashMap::new();
    let mut meanings: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for Use { site, .. } in uses {
        categories.entry((&site.base, &site.meaning)).or_default().insert(&site.module);
        meanings.entry(&site.base).or_default().insert(&site.meaning);
    }
    let mut shared: BTreeSet<(&str, &str)> = categories
        .iter()
        .filter(|((base, _), used_in)| used_in.len() > 1 && meanings[base].len() == 1 && !is_event(base))
        .map(|(key, _)| *key)
        .collect();
    // What is beside all categories cannot name what lives in one of them.
    loop {
        let before = shared.len();
        for one in uses {
            if !one.inner.iter().all(|(base, meaning)| shared.contains(&(base.as_str(), meaning.as_str()))) {
                shared.remove(&(one.site.base.as_str(), one.site.meaning.as_str()));
            }
        }
        if shared.len() == before {
            return shared;
        }
    }
}

fn collect<'c>(
    module: &Module,
    owner: &str,
    field: &str,
    schema: &'c Schema,
    bytes_max: Option<usize>,
    uses: &mut Vec<Use<'c>>,
) -> Vec<(String, String)> {
    let mut inner = Vec::new();
    match &schema.shape {
        Shape::Object(object) => {
            for one in &object.fields {
                let bytes_max = super::value::bytes_max(one, "");
                inner.extend(collect(module, owner, &one.name, &one.schema, bytes_max, uses));
            }
        }
        Shape::Map(values) => return collect(module, owner, &item_field(field), values, None, uses),
        Shape::List(list) => return collect(module, owner, &item_field(field), &list.items, None, uses),
        _ => {}
    }
    let Some(base) = base_name(field, schema, bytes_max) else { return inner };
    let meaning = meaning_of(schema, bytes_max);
    let own = (base.clone(), meaning.clone());
    let use_of_inner = std::mem::replace(&mut inner, vec![own]);
    uses.push(Use {
        site: Site { module: module.clone(), owner: owner.to_owned(), base, meaning },
        field: field.to_owned(),
        schema,
        bytes_max,
        inner: use_of_inner,
    });
    inner
}

/// What an item of a list, or a value of a map, is called when it has no title.
pub(super) fn item_field(field: &str) -> String {
    format!("{field}Item")
}

/// Two uses are one type when they let the same values through and are named alike.
fn meaning_of(schema: &Schema, bytes_max: Option<usize>) -> String {
    let meaning = meaning::of_shape(&schema.shape);
    match (&schema.shape, bytes_max) {
        (Shape::Text(text), Some(bytes_max)) => {
            // A length may leave no room for more bytes than that.
            let room = text.length_max.and_then(|length| usize::try_from(length.saturating_mul(4)).ok());
            format!("at most {} bytes {meaning}", room.map_or(bytes_max, |room| room.min(bytes_max)))
        }
        _ => meaning.to_string(),
    }
}

/// The name of an event's struct; builders are named after what they build.
fn event_name(contract: &Contract) -> String {
    let name = pascal(contract.name.as_str());
    if name.ends_with("Builder") { name + "Event" } else { name }
}

/// The name that a value's type would have; `None` when it needs none of its own.
fn base_name(field: &str, schema: &Schema, bytes_max: Option<usize>) -> Option<String> {
    let needs_type = match &schema.shape {
        Shape::Object(_) | Shape::Choice(_) => true,
        // A tag or key has room for less than these formats allow.
        Shape::Text(text) => {
            let is_long = matches!(text.format, None | Some(Format::Email | Format::Uri));
            text.has_bounds() || (bytes_max.is_some() && is_long)
        }
        Shape::Integer(integer) => {
            integer.min.is_some() || integer.max.is_some() || integer.multiple_of.is_some()
        }
        Shape::Number(number) => {
            [number.min, number.max, number.above, number.below].iter().any(Option::is_some)
        }
        Shape::Map(_) | Shape::List(_) | Shape::Boolean => false,
    };
    let name = needs_type.then(|| pascal(schema.title.as_deref().unwrap_or(field)))?;
    // Builders are named after what they build.
    Some(if name.ends_with("Builder") { name + "Value" } else { name })
}
