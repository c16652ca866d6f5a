//! Generates Rust: a module per category of streams, and a root with the catalog as a constant.
//!
//! The output is meant to be read and committed: structs that cannot be built invalid or changed, each field documented
//! from its contract. Generated code stands on one module, `factum::contract::rt`, and names nothing else.

use proc_macro2::TokenStream;
use quote::quote;

use super::ident::token;
use super::{Generated, GeneratedFile};
use crate::catalog::Catalog;

mod bounded;
mod choice;
mod event;
mod layout;
mod object;
mod plan;
mod value;

pub use plan::SameName;

use bounded::Root;
use plan::{Home, Module, Plan, TypePlan};

/// How Rust is generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Name of the root module: `contracts` gives `contracts.rs` and `contracts/*.rs`.
    pub module: String,
    /// Path of what generated code stands on.
    pub root: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { module: "contracts".to_owned(), root: "factum::contract::rt".to_owned() }
    }
}

/// Why Rust cannot be generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// Two contracts would be one type.
    #[error(transparent)]
    SameName(#[from] SameName),
    /// An option is not usable as Rust.
    #[error("{what} {found:?} cannot be used: expected {expected}")]
    Option {
        /// Which option.
        what: &'static str,
        /// What was given.
        found: String,
        /// What can be used.
        expected: &'static str,
    },
    /// What was generated is not Rust: a mistake of the generator.
    #[error("module {module} cannot be laid out; please report this")]
    Layout {
        /// The module.
        module: String,
        /// What the parser said.
        source: syn::Error,
    },
}

/// Generates every version of every contract: the newest by its name, earlier ones in a module of their version.
///
/// # Errors
/// When names collide in Rust, or an option cannot be used.
pub fn generate(catalog: &Catalog, options: &Options) -> Result<Generated, GenerateError> {
    check(options)?;
    let plan = Plan::of(catalog)?;
    let root = Root { serde: format!("{}::serde", options.root) };
    let rt: TokenStream = format!("use {};", options.root).parse().unwrap_or_default();
    let mut files = vec![GeneratedFile {
        path: format!("{}.rs", options.module),
        text: root_file(catalog, &plan, &root, &rt, options)?,
    }];
    for (category, module) in &plan.modules {
        let file = module.strip_prefix("r#").unwrap_or(module);
        files.push(GeneratedFile {
            path: format!("{}/{file}.rs", options.module),
            text: module_file(&plan, &Module { category: category.clone(), version: None }, &root, &rt)?,
        });
        for version in plan.versions_in(category) {
            let module = Module { category: category.clone(), version: Some(version) };
            files.push(GeneratedFile {
                path: format!("{}/{file}/v{version}.rs", options.module),
                text: module_file(&plan, &module, &root, &rt)?,
            });
        }
    }
    files.push(GeneratedFile {
        path: format!("{}/catalog.json", options.module),
        text: catalog.to_embedded(),
    });
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Generated { files, owns_folder: false })
}

fn check(options: &Options) -> Result<(), GenerateError> {
    let module = &options.module;
    let is_word = super::ident::snake(module) == *module;
    if !is_word {
        let expected = "a module name such as contracts";
        return Err(GenerateError::Option { what: "module", found: module.clone(), expected });
    }
    if syn::parse_str::<syn::Path>(&options.root).is_err() {
        let expected = "a path such as factum::contract::rt";
        return Err(GenerateError::Option { what: "root", found: options.root.clone(), expected });
    }
    Ok(())
}

fn root_file(
    catalog: &Catalog,
    plan: &Plan<'_>,
    root: &Root,
    rt: &TokenStream,
    options: &Options,
) -> Result<String, GenerateError> {
    let modules = plan.modules.iter().map(|(category, module)| {
        let docs = format!(" Streams of the category `{category}`.");
        let module = token(module);
        quote!(#[doc = #docs] pub mod #module;)
    });
    let exports = plan.modules.iter().map(|(category, module)| {
        let newest = Module { category: category.clone(), version: None };
        let names: Vec<_> = plan.events_in(&newest).map(|event| token(&event.name)).collect();
        let module = token(module);
        quote!(pub use #module::{#(#names),*};)
    });
    let path = format!("{}/catalog.json", options.module);
    let catalog_item = quote! {
        /// The catalog that this module was generated from: what a store checks events against.
        pub const CATALOG: rt::CatalogSource = rt::CatalogSource::new(include_str!(#path));

        /// The catalog again, compiled when a fixture or an explanation first needs it.
        static CONTRACTS: rt::Compiled = rt::Compiled::new(CATALOG);
    };
    let head = [quote!(#rt), quote!(#(#modules)*), quote!(#(#exports)*), catalog_item];
    let types =
        plan.types.iter().filter(|ty| ty.home == Home::Root).flat_map(|ty| type_items(plan, ty, root));
    let docs = format!("The contracts of the system `{}`.", catalog.system.name);
    layout::file(&docs, head.into_iter().chain(types)).map_err(|source| layout_error(&options.module, source))
}

fn module_file(
    plan: &Plan<'_>,
    module: &Module,
    root: &Root,
    rt: &TokenStream,
) -> Result<String, GenerateError> {
    let category = &module.category;
    let home = Home::In(module.clone());
    let mut items = Vec::new();
    let mut take = |from: &Home, path: TokenStream| {
        let names: Vec<_> = plan.taken_from(from, module).into_iter().map(token).collect();
        if !names.is_empty() {
            items.push(quote!(pub use #path::{#(#names),*};));
        }
    };
    let docs = match module.version {
        None => {
            take(&Home::Root, quote!(super));
            format!("Streams of the category `{category}`.")
        }
        Some(version) => {
            take(&Home::In(Module { version: None, ..module.clone() }), quote!(super));
            take(&Home::Root, quote!(super::super));
            format!("Version {version} of what has a later one, in streams of the category `{category}`.")
        }
    };
    items.insert(0, rt.clone());
    if module.version.is_none() {
        let versions = plan.versions_in(category).into_iter().map(|version| {
            let docs = format!(" Version {version} of what has a later one.");
            let version = token(&format!("v{version}"));
            quote!(#[doc = #docs] pub mod #version;)
        });
        let versions: Vec<_> = versions.collect();
        items.push(quote!(#(#versions)*));
    }
    for event in plan.events_in(module) {
        items.extend(event::event(plan, event, root));
        let own = |ty: &&TypePlan<'_>| ty.home == home && ty.owner == event.name;
        items.extend(plan.types.iter().filter(own).flat_map(|ty| type_items(plan, ty, root)));
    }
    layout::file(&docs, items).map_err(|source| layout_error(category, source))
}

fn layout_error(module: &str, source: syn::Error) -> GenerateError {
    GenerateError::Layout { module: module.to_owned(), source }
}

fn type_items(plan: &Plan<'_>, ty: &TypePlan<'_>, root: &Root) -> Vec<TokenStream> {
    match ty.schema.shape {
        crate::schema::Shape::Object(_) => event::nested(plan, ty, root),
        _ => bounded::bounded(ty, root),
    }
}

/// Doc comment lines: the contract's words, or others where it is silent.
fn docs(text: Option<&str>, otherwise: &str) -> TokenStream {
    let text = text.map(str::trim).filter(|text| !text.is_empty()).unwrap_or(otherwise);
    let lines = doc_lines(text);
    quote!(#(#[doc = #lines])*)
}

/// A contract's words as lines of documentation, in which no code is taken for a test to be run.
fn doc_lines(text: &str) -> Vec<String> {
    let mut fence: Option<&str> = None;
    let mut lines = Vec::new();
    for line in text.trim().lines() {
        let bare = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| bare.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => {
                lines.push(format!(" {mark}text"));
                fence = Some(mark);
            }
            (Some(open), Some(mark)) if open == mark => {
                lines.push(format!(" {mark}"));
                fence = None;
            }
            _ if bare.is_empty() => lines.push(String::new()),
            _ => {
                // Four spaces would make it code.
                let indent = line.len() - bare.len();
                let indent = if fence.is_some() { indent } else { indent.min(2) };
                lines.push(format!(" {}{}", " ".repeat(indent), bare.trim_end()));
            }
        }
    }
    lines.extend(fence.map(|mark| format!(" {mark}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::doc_lines;

    #[test]
    fn no_code_of_a_description_becomes_a_test() {
        let text = "One.\n\n    let x = 1;\n```\ncode\n    more\n```\n~~~rust\nlast";
        let lines = [
            " One.",
            "",
            "   let x = 1;",
            " ```text",
            " code",
            "     more",
            " ```",
            " ~~~text",
            " last",
            " ~~~",
        ];
        assert_eq!(doc_lines(text), lines);
    }
}
