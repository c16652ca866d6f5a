//! Decides which types there are, what they are called and where they live; writes nothing.
//!
//! A type is named by its title, else by its field. Equal types of several categories are one type beside them all, so
//! that a `Currency` of a payment fits into an order; different types of one name within a category carry their
//! event's name before their own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::generate::ident::{pascal, snake};
use crate::meaning;
use crate::schema::{Format, Role, Schema, Shape};

/// Where a type lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Home {
    /// In the root module.
    Root,
    /// In the module of a category.
    Category(String),
}

/// A type to be written.
#[derive(Debug, Clone)]
pub(super) struct TypePlan<'c> {
    pub(super) name: String,
    pub(super) home: Home,
    /// The event whose field it is, and that event's category.
    pub(super) owner: String,
    pub(super) category: String,
    pub(super) field: String,
    pub(super) schema: &'c Schema,
    pub(super) is_tagged: bool,
}

/// A contract to be written.
#[derive(Debug, Clone)]
pub(super) struct EventPlan<'c> {
    pub(super) name: String,
    pub(super) category: String,
    pub(super) contract: &'c Contract,
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

/// Where a type is used: category, event, base name and meaning.
type Site = (String, String, String, String);

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
    category: String,
    owner: String,
    base: String,
    meaning: String,
    field: String,
    schema: &'c Schema,
    is_tagged: bool,
    /// The named types inside, as base and meaning.
    inner: Vec<(String, String)>,
}

impl<'c> Plan<'c> {
    pub(super) fn of(catalog: &'c Catalog) -> Result<Self, SameName> {
        let mut modules: BTreeMap<String, String> = BTreeMap::new();
        let mut events: Vec<EventPlan<'c>> = Vec::new();
        let mut uses = Vec::new();
        for contract in catalog.latest() {
            let name = pascal(contract.name.as_str());
            if let Some(other) = events.iter().find(|event| event.name == name) {
                let (first, second) = (other.contract.name.to_string(), contract.name.to_string());
                return Err(SameName { first, second, name });
            }
            let category = contract.category.to_string();
            let module = snake(&category);
            if let Some((other, _)) =
                modules.iter().find(|(other, name)| **name == module && **other != category)
            {
                return Err(SameName { first: other.clone(), second: category, name: module });
            }
            modules.insert(category.clone(), module);
            for field in contract.payload.fields() {
                let is_tagged = field.schema.role == Role::Identifier || field.name == contract.key.value;
                collect(&category, &name, &field.name, &field.schema, is_tagged, &mut uses);
            }
            events.push(EventPlan { name, category, contract });
        }
        let mut plan = Self { modules, events, types: Vec::new(), names: HashMap::new() };
        plan.name_types(&uses);
        Ok(plan)
    }

    /// The name of a value's type as seen in an event's module; `None` when it needs none of its own.
    pub(super) fn type_name(
        &self,
        owner: &str,
        category: &str,
        field: &str,
        schema: &Schema,
        is_tagged: bool,
    ) -> Option<&str> {
        let base = base_name(field, schema, is_tagged)?;
        let site = (category.to_owned(), owner.to_owned(), base, meaning_of(schema, is_tagged));
        self.names.get(&site).map(|(_, name)| name.as_str())
    }

    /// Names of the root's types that a category uses.
    pub(super) fn shared_in(&self, category: &str) -> BTreeSet<&str> {
        let shared =
            self.names.iter().filter(|((used_in, ..), (home, _))| used_in == category && *home == Home::Root);
        shared.map(|(_, (_, name))| name.as_str()).collect()
    }

    fn name_types(&mut self, uses: &[Use<'c>]) {
        let event_names: BTreeSet<String> = self.events.iter().map(|event| event.name.clone()).collect();
        let is_event = |base: &str| event_names.contains(base);
        let shared = shared(uses, is_event);
        let mut meanings: HashMap<(&str, &str), BTreeSet<&str>> = HashMap::new();
        for one in uses {
            meanings.entry((&one.category, &one.base)).or_default().insert(&one.meaning);
        }
        let mut taken: HashMap<(Home, String), String> = HashMap::new();
        for one in uses {
            let is_shared = shared.contains(&(one.base.as_str(), one.meaning.as_str()));
            let is_alone =
                meanings[&(one.category.as_str(), one.base.as_str())].len() == 1 && !is_event(&one.base);
            let home = if is_shared { Home::Root } else { Home::Category(one.category.clone()) };
            let mut name = if is_alone { one.base.clone() } else { format!("{}{}", one.owner, one.base) };
            let stem = name.clone();
            let mut number = 2;
            while is_event(&name)
                || taken.get(&(home.clone(), name.clone())).is_some_and(|meaning| *meaning != one.meaning)
            {
                name = format!("{stem}{number}");
                number += 1;
            }
            if taken.insert((home.clone(), name.clone()), one.meaning.clone()).is_none() {
                self.types.push(TypePlan {
                    name: name.clone(),
                    home: home.clone(),
                    owner: one.owner.clone(),
                    category: one.category.clone(),
                    field: one.field.clone(),
                    schema: one.schema,
                    is_tagged: one.is_tagged,
                });
            }
            let site = (one.category.clone(), one.owner.clone(), one.base.clone(), one.meaning.clone());
            self.names.insert(site, (home, name));
        }
    }
}

/// Base names and meanings of the types that live beside all categories.
fn shared<'u>(uses: &'u [Use<'_>], is_event: impl Fn(&str) -> bool) -> BTreeSet<(&'u str, &'u str)> {
    let mut categories: HashMap<(&str, &str), BTreeSet<&str>> = HashMap::new();
    let mut meanings: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for one in uses {
        categories.entry((&one.base, &one.meaning)).or_default().insert(&one.category);
        meanings.entry(&one.base).or_default().insert(&one.meaning);
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
                shared.remove(&(one.base.as_str(), one.meaning.as_str()));
            }
        }
        if shared.len() == before {
            return shared;
        }
    }
}

fn collect<'c>(
    category: &str,
    owner: &str,
    field: &str,
    schema: &'c Schema,
    is_tagged: bool,
    uses: &mut Vec<Use<'c>>,
) -> Vec<(String, String)> {
    let mut inner = Vec::new();
    match &schema.shape {
        Shape::Object(object) => {
            for one in &object.fields {
                let is_tagged = one.schema.role == Role::Identifier;
                inner.extend(collect(category, owner, &one.name, &one.schema, is_tagged, uses));
            }
        }
        Shape::Map(values) => return collect(category, owner, &item_field(field), values, false, uses),
        Shape::List(list) => return collect(category, owner, &item_field(field), &list.items, false, uses),
        _ => {}
    }
    let Some(base) = base_name(field, schema, is_tagged) else { return inner };
    let meaning = meaning_of(schema, is_tagged);
    let own = (base.clone(), meaning.clone());
    let use_of_inner = std::mem::replace(&mut inner, vec![own]);
    uses.push(Use {
        category: category.to_owned(),
        owner: owner.to_owned(),
        base,
        meaning,
        field: field.to_owned(),
        schema,
        is_tagged,
        inner: use_of_inner,
    });
    inner
}

/// What an item of a list, or a value of a map, is called when it has no title.
pub(super) fn item_field(field: &str) -> String {
    format!("{field}Item")
}

/// Two uses are one type when they let the same values through and are named alike.
fn meaning_of(schema: &Schema, is_tagged: bool) -> String {
    let tag = if is_tagged { "tagged " } else { "" };
    format!("{tag}{}", meaning::of_shape(&schema.shape))
}

/// The name that a value's type would have; `None` when it needs none of its own.
fn base_name(field: &str, schema: &Schema, is_tagged: bool) -> Option<String> {
    let needs_type = match &schema.shape {
        Shape::Object(_) | Shape::Choice(_) => true,
        // A tag or key has room for less than these formats allow.
        Shape::Text(text) => {
            let is_long = matches!(text.format, None | Some(Format::Email | Format::Uri));
            text.has_bounds() || (is_tagged && is_long)
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
