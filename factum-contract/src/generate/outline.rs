//! Decides for TypeScript and Python which types there are, what they are called and in which module; writes nothing.
//!
//! A module per category of streams. Objects and words have types, named by their title, else by their field; equal
//! types of a module are one type, others of the same name carry their event's name before their own. Unlike Rust's,
//! these types are compared by what they hold, so that none has to be shared between modules.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::ident::{self, pascal};
use super::{BadExample, examples_are_good};
use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::meaning;
use crate::schema::{Schema, Shape};

/// All that is to be written.
#[derive(Debug)]
pub(super) struct Outline<'c> {
    pub(super) modules: Vec<ModuleOutline<'c>>,
    names: HashMap<*const Schema, String>,
}

/// A module: the contracts of one category.
#[derive(Debug)]
pub(super) struct ModuleOutline<'c> {
    pub(super) category: String,
    /// Its name, and that of its file.
    pub(super) name: String,
    pub(super) events: Vec<EventOutline<'c>>,
}

/// A contract to be written.
#[derive(Debug)]
pub(super) struct EventOutline<'c> {
    pub(super) name: String,
    pub(super) contract: &'c Contract,
    /// Types that first appear here, those that others are made of before them.
    pub(super) types: Vec<TypeOutline<'c>>,
}

/// A type inside payloads.
#[derive(Debug)]
pub(super) struct TypeOutline<'c> {
    pub(super) name: String,
    pub(super) field: String,
    pub(super) schema: &'c Schema,
}

/// Two contracts, or categories, that would have one name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} would have the same name: {name}")]
pub struct SameName {
    /// One contract, or category.
    pub first: String,
    /// The other.
    pub second: String,
    /// The name.
    pub name: String,
}

/// Why TypeScript or Python cannot be generated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// Two contracts would have one name.
    #[error(transparent)]
    SameName(#[from] SameName),
    /// An example breaks its contract.
    #[error(transparent)]
    BadExample(#[from] BadExample),
    /// The language cannot say what the contract says.
    #[error("{contract}: {path} cannot be carried: {reason}")]
    NotCarried {
        /// The contract, with its version.
        contract: String,
        /// The field, such as `items[].price`.
        path: String,
        /// What cannot be said.
        reason: String,
    },
}

/// A place in a payload that needs a type.
struct Use<'c> {
    base: String,
    meaning: String,
    field: String,
    schema: &'c Schema,
}

impl<'c> Outline<'c> {
    /// Plans the newest version of every contract; `reserved` are names of modules and types that mean something else.
    pub(super) fn of(catalog: &'c Catalog, reserved: &[&str]) -> Result<Self, GenerateError> {
        examples_are_good(catalog)?;
        let mut modules: BTreeMap<String, ModuleOutline<'c>> = BTreeMap::new();
        let mut taken: HashMap<String, String> = HashMap::new();
        for contract in catalog.latest() {
            let name = pascal(contract.name.as_str());
            // What a contract is called, and what its data is called.
            for name in [name.clone(), format!("{name}Data")] {
                if let Some(first) = taken.insert(name.clone(), contract.name.to_string()) {
                    let second = contract.name.to_string();
                    return Err(SameName { first, second, name }.into());
                }
            }
            let category = contract.category.to_string();
            let module = modules.entry(category.clone()).or_insert_with(|| ModuleOutline {
                name: module_name(&category, reserved),
                category,
                events: Vec::new(),
            });
            module.events.push(EventOutline { name, contract, types: Vec::new() });
        }
        let mut files: HashMap<&str, &str> = HashMap::new();
        for module in modules.values() {
            if let Some(first) = files.insert(&module.name, &module.category) {
                let (first, second) = (first.to_owned(), module.category.clone());
                return Err(SameName { first, second, name: module.name.clone() }.into());
            }
        }
        let mut outline = Self { modules: modules.into_values().collect(), names: HashMap::new() };
        let taken: HashSet<String> =
            taken.into_keys().chain(reserved.iter().map(|&name| name.to_owned())).collect();
        for module in &mut outline.modules {
            name_types(module, &taken, &mut outline.names);
        }
        Ok(outline)
    }

    /// The name of a schema's type; `None` when it has none of its own.
    pub(super) fn type_name(&self, schema: &Schema) -> Option<&str> {
        self.names.get(&std::ptr::from_ref(schema)).map(String::as_str)
    }

    /// A name that no contract or type has: this one, or one made from it.
    pub(super) fn free_name(&self, name: &str) -> String {
        let is_taken = |name: &str| {
            let is_event =
                |event: &EventOutline<'_>| event.name == name || format!("{}Data", event.name) == name;
            self.events().any(is_event)
                || self.modules.iter().flat_map(ModuleOutline::types).any(|ty| ty.name == name)
        };
        let mut name = name.to_owned();
        while is_taken(&name) {
            name.insert_str(0, "Any");
        }
        name
    }

    /// Every contract, in the order of the modules.
    pub(super) fn events(&self) -> impl Iterator<Item = &EventOutline<'c>> {
        self.modules.iter().flat_map(|module| &module.events)
    }

    /// Names of inner types of a module that no other module has.
    pub(super) fn exported_types<'m>(&self, module: &'m ModuleOutline<'c>) -> Vec<&'m TypeOutline<'c>> {
        let count = |name: &str| {
            self.modules.iter().flat_map(ModuleOutline::types).filter(|ty| ty.name == name).count()
        };
        module.types().filter(|ty| count(&ty.name) == 1).collect()
    }
}

impl<'c> ModuleOutline<'c> {
    /// All inner types, those that others are made of before them.
    pub(super) fn types(&self) -> impl Iterator<Item = &TypeOutline<'c>> {
        self.events.iter().flat_map(|event| &event.types)
    }
}

/// A module's name: plain, lower case, never one that the output needs for itself.
fn module_name(category: &str, reserved: &[&str]) -> String {
    let name = ident::words(category).join("_");
    let name = if name.is_empty() { "empty".to_owned() } else { name };
    let starts_with_digit = name.starts_with(|c: char| c.is_ascii_digit());
    let name = if starts_with_digit { format!("n{name}") } else { name };
    if reserved.contains(&name.as_str()) { name + "_" } else { name }
}

fn name_types<'c>(
    module: &mut ModuleOutline<'c>,
    taken: &HashSet<String>,
    names: &mut HashMap<*const Schema, String>,
) {
    let mut uses: Vec<Vec<Use<'c>>> = Vec::new();
    for event in &module.events {
        let mut found = Vec::new();
        for field in event.contract.payload.fields() {
            collect(&field.name, &field.schema, &mut found);
        }
        uses.push(found);
    }
    let mut meanings: HashMap<&str, HashSet<&str>> = HashMap::new();
    for one in uses.iter().flatten() {
        meanings.entry(&one.base).or_default().insert(&one.meaning);
    }
    let mut known: HashMap<String, &str> = HashMap::new();
    for (event, uses) in module.events.iter_mut().zip(&uses) {
        for one in uses {
            let is_alone = meanings[one.base.as_str()].len() == 1 && !taken.contains(&one.base);
            let stem = if is_alone { one.base.clone() } else { format!("{}{}", event.name, one.base) };
            let mut name = stem.clone();
            let mut number = 2;
            while taken.contains(&name) || known.get(&name).is_some_and(|meaning| *meaning != one.meaning) {
                name = format!("{stem}{number}");
                number += 1;
            }
            names.insert(std::ptr::from_ref(one.schema), name.clone());
            if known.insert(name.clone(), &one.meaning).is_none() {
                event.types.push(TypeOutline { name, field: one.field.clone(), schema: one.schema });
            }
        }
    }
}

fn collect<'c>(field: &str, schema: &'c Schema, uses: &mut Vec<Use<'c>>) {
    match &schema.shape {
        Shape::Object(object) => object.fields.iter().for_each(|one| collect(&one.name, &one.schema, uses)),
        Shape::Map(values) => return collect(&format!("{field}Item"), values, uses),
        Shape::List(list) => return collect(&format!("{field}Item"), &list.items, uses),
        Shape::Choice(choice) if choice.words.len() > 1 || choice.is_extensible => {}
        _ => return,
    }
    uses.push(Use {
        base: pascal(schema.title.as_deref().unwrap_or(field)),
        meaning: meaning::of_shape(&schema.shape).to_string(),
        field: field.to_owned(),
        schema,
    });
}
