//! Writes what makes a payload's struct an event: type, key, tags, example.

use factum_core::Kind;
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::bounded::Root;
use super::object::Object;
use super::plan::{EventPlan, Plan, TypePlan};
use super::value::{FieldValue, fields, idents, is_optional};
use super::{doc_lines, docs};
use crate::contract::Contract;
use crate::fixture::Fixtures;
use crate::generate::ident::token;
use crate::schema::{Field, Schema, Shape};
use crate::upcast::Step;

/// An event's struct, its builder and its implementation of `Event`.
pub(super) fn event(plan: &Plan<'_>, event: &EventPlan<'_>, root: &Root) -> Vec<TokenStream> {
    let contract = event.contract;
    let fields = fields(plan, &event.name, &event.module, &contract.payload, &contract.key);
    let implementation = implementation(&event.name, contract, &fields);
    let upcasts = upcasts(event);
    let functions = [example(contract), made(event)];
    let upcast_functions = upcasts.iter().filter_map(|upcast| upcast.function.clone());
    let extra = functions.into_iter().chain(upcast_functions);
    let object = Object {
        name: &event.name,
        docs: event_docs(event),
        schema: &contract.payload,
        fields,
        extra: quote!(#(#extra)*),
        has_builder: true,
    };
    let mut items = object.items(root);
    // The implementations stand next to the struct.
    let beside = std::iter::once(implementation).chain(upcasts.into_iter().filter_map(|upcast| upcast.item));
    items.splice(3..3, beside);
    items
}

/// A nested object.
pub(super) fn nested(plan: &Plan<'_>, ty: &TypePlan<'_>, root: &Root) -> Vec<TokenStream> {
    let description = ty.schema.description.as_deref();
    let object = Object {
        name: &ty.name,
        docs: docs(description, &format!("The contract's `{}`.", ty.field)),
        schema: ty.schema,
        fields: fields(plan, &ty.owner, &ty.module, ty.schema, ""),
        extra: quote!(),
        has_builder: false,
    };
    object.items(root)
}

fn event_docs(event: &EventPlan<'_>) -> TokenStream {
    let contract = event.contract;
    let kind = contract.kind.as_str();
    let otherwise = format!("The {kind} `{}`.", contract.name);
    let summary = docs(contract.summary.as_deref(), &otherwise);
    let description = contract.description.as_deref().map(|text| {
        let lines = doc_lines(text);
        quote!(#[doc = ""] #(#[doc = #lines])*)
    });
    let word = if kind == "event" { "Event" } else { "Command" };
    let newest = event.versions.last().filter(|newest| newest.version != contract.version);
    let superseded = newest.map(|newest| format!(", superseded by version {}", newest.version));
    let label = format!(
        " {word} `{}`, version {}{}.",
        contract.name,
        contract.version,
        superseded.unwrap_or_default()
    );
    let deprecated = contract.lifecycle.deprecated.map(|date| {
        let note = match &contract.lifecycle.replaced_by {
            Some(name) => format!("since {date}; use {}", name.value),
            None => format!("since {date}"),
        };
        let note = format!(" Deprecated {note}.");
        quote!(#[doc = ""] #[doc = #note])
    });
    quote!(#summary #description #[doc = ""] #[doc = #label] #deprecated)
}

/// The static behind fixtures and explanations, as a module of events sees it.
fn compiled(event: &EventPlan<'_>) -> TokenStream {
    match event.module.version {
        None => quote!(super::CONTRACTS),
        Some(_) => quote!(super::super::CONTRACTS),
    }
}

/// How an earlier version becomes this one.
struct Upcast {
    item: Option<TokenStream>,
    function: Option<TokenStream>,
}

/// From every earlier version to the newest: by conversion, or by a function where code takes part.
fn upcasts(event: &EventPlan<'_>) -> Vec<Upcast> {
    if event.module.version.is_some() {
        return Vec::new();
    }
    let (name, contracts) = (token(&event.name), compiled(event));
    let earlier = event.versions.iter().filter(|old| old.version != event.contract.version);
    let upcast = |old: &&Contract| {
        let later = || event.versions.iter().filter(|one| one.version > old.version);
        let has_code = later().flat_map(|one| &one.upcast).any(|step| matches!(step.value, Step::Code(_)));
        let module = token(&format!("v{}", old.version));
        if has_code {
            let function = token(&format!("upcast_v{}", old.version));
            let docs = format!(
                " Brings version {} up to date by the contract's steps and the upcasters registered with `contracts`.",
                old.version
            );
            let function = quote! {
                #[doc = #docs]
                ///
                /// # Errors
                /// When a step cannot be done, an upcaster is missing or fails, or what comes out does not fit.
                pub fn #function(contracts: &rt::Contracts, old: &#module::#name) -> Result<Self, rt::Invalid> {
                    rt::upcast(contracts, old)
                }
            };
            return Upcast { item: None, function: Some(function) };
        }
        let docs: Vec<String> = later().flat_map(|one| step_lines(one)).collect();
        let docs = match docs.as_slice() {
            [] => vec![" Nothing has to be changed.".to_owned()],
            _ => docs,
        };
        let item = quote! {
            #(#[doc = #docs])*
            impl TryFrom<#module::#name> for #name {
                type Error = rt::Invalid;
                fn try_from(old: #module::#name) -> Result<Self, rt::Invalid> {
                    #contracts.upcast(&old)
                }
            }
        };
        Upcast { item: Some(item), function: None }
    };
    earlier.map(upcast).collect()
}

/// A version's upcast steps as lines of documentation.
fn step_lines(contract: &Contract) -> Vec<String> {
    use crate::node::Content;
    let steps = match contract.document.get("upcast").map(|node| &node.content) {
        Some(Content::List(steps)) => steps.as_slice(),
        _ => &[],
    };
    let line = |step: &crate::node::Node| {
        format!(" - to version {}: `{}`", contract.version, step.to_json_text().replace(['`', '\n'], "'"))
    };
    steps.iter().map(line).collect()
}

/// What makes events of JSON and of numbers, and what breaks them.
fn made(event: &EventPlan<'_>) -> TokenStream {
    let contracts = compiled(event);
    // A number that gives a payload now gives one for ever; without one there is no such function.
    let has_payload = Fixtures::of(event.contract).is_ok_and(|fixtures| fixtures.valid(0).is_some());
    let arbitrary = has_payload.then(|| {
        quote! {
            /// A valid one made from a number, for tests of properties: the same number gives the same one. 0 has
            /// nothing that may be left out, 1 has everything.
            ///
            /// # Panics
            /// Never: that there is one was found out when this file was generated.
            #[must_use]
            pub fn arbitrary_valid(seed: u64) -> Self {
                #contracts.arbitrary_valid(seed)
            }
        }
    });
    quote! {
        #arbitrary

        /// Payloads that break the contract, one for each of its rules: for tests of whoever reads them.
        #[must_use]
        pub fn invalid_json() -> Vec<rt::Broken> {
            #contracts.invalid_json::<Self>()
        }

        /// Reads a payload.
        ///
        /// # Errors
        /// The first value that breaks the contract, with its JSON pointer, as the gate explains it.
        pub fn from_json(json: &[u8]) -> Result<Self, rt::Invalid> {
            #contracts.from_json(json)
        }
    }
}

fn example(contract: &Contract) -> TokenStream {
    let Some(example) = contract.examples.first() else { return quote!() };
    let value = example.to_json_text();
    let hashes = "#".repeat(longest_hashes(&value) + 1);
    let literal: TokenStream = format!("r{hashes}\"{value}\"{hashes}").parse().unwrap_or_default();
    quote! {
        /// The contract's first example, as a fixture; change a copy by [`Self::to_builder`].
        ///
        /// # Panics
        /// Never: the example is checked against the contract when this file is generated.
        #[must_use]
        pub fn example() -> Self {
            let json = #literal;
            rt::serde_json::from_str(json).expect("the contract's example is valid")
        }
    }
}

/// The longest run of hashes after a quote, which a raw string must exceed.
fn longest_hashes(text: &str) -> usize {
    let runs = text.split('"').skip(1).map(|rest| rest.bytes().take_while(|byte| *byte == b'#').count());
    runs.max().unwrap_or(0)
}

fn implementation(name: &str, contract: &Contract, fields: &[FieldValue<'_>]) -> TokenStream {
    let ident = token(name);
    let kind = match contract.kind {
        Kind::Event => quote!(event),
        Kind::Command => quote!(command),
    };
    let (wire, category, topic) =
        (contract.name.as_str(), contract.category.as_str(), contract.topic.as_str());
    let version = proc_macro2::Literal::u32_unsuffixed(contract.version);
    // A key that is no field is an error of the catalog.
    let key = fields.iter().find(|field| field.wire == contract.key.value).map(|field| &field.ident);
    let tags: Vec<TokenStream> = fields.iter().filter_map(|field| tag(field, &quote!(self))).collect();
    let tags = if tags.is_empty() {
        quote!()
    } else {
        quote! {
            fn tags(&self) -> rt::Tags {
                let mut tags = rt::TagList::new();
                #(#tags)*
                tags.finish()
            }
        }
    };
    quote! {
        impl rt::Event for #ident {
            const TYPE: rt::EventType = rt::EventType::#kind(#wire, #version, #category, #topic);

            fn key(&self) -> rt::PartitionKey {
                rt::key(&self.#key)
            }

            #tags
        }
    }
}

/// Adds a field's value to the tags, or those of the fields inside it.
fn tag(field: &FieldValue<'_>, owner: &TokenStream) -> Option<TokenStream> {
    has_identifier(field.schema).then(|| nested_tag(field.field, &field.ident, owner))
}

/// Adds a value; `is_reference` when `value` is one already.
fn tag_value(wire: &str, schema: &Schema, value: &TokenStream, is_reference: bool) -> Option<TokenStream> {
    match &schema.shape {
        Shape::Object(object) => {
            let fields = object.fields.iter().zip(idents(&object.fields));
            let parts: Vec<TokenStream> = fields
                .filter(|(field, _)| has_identifier(&field.schema))
                .map(|(field, ident)| nested_tag(field, &ident, value))
                .collect();
            (!parts.is_empty()).then(|| quote!(#(#parts)*))
        }
        Shape::List(list) => {
            let inner = tag_value(wire, &list.items, &quote!(item), true)?;
            if list.items.is_nullable {
                return Some(quote!(for item in #value.iter().flatten() { #inner }));
            }
            Some(quote!(for item in #value.iter() { #inner }))
        }
        _ if is_reference => Some(quote!(tags.add(#wire, #value);)),
        _ => Some(quote!(tags.add(#wire, &#value);)),
    }
}

fn nested_tag(field: &Field, ident: &Ident, owner: &TokenStream) -> TokenStream {
    let is_optional = is_optional(field);
    let value = if is_optional { quote!(#ident) } else { quote!(#owner.#ident) };
    let body = tag_value(&field.name, &field.schema, &value, is_optional).unwrap_or_default();
    if is_optional { quote!(if let Some(#ident) = &#owner.#ident { #body }) } else { body }
}

fn has_identifier(schema: &Schema) -> bool {
    let mut found = false;
    schema.walk(&mut |_, schema| found |= schema.role == crate::schema::Role::Identifier);
    found
}
