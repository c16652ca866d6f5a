//! Writes what makes a payload's struct an event: type, key, tags, example.

use factum_core::Kind;
use proc_macro2::TokenStream;
use quote::quote;

use super::bounded::Root;
use super::docs;
use super::object::Object;
use super::plan::{EventPlan, Plan, TypePlan};
use super::value::{FieldValue, Ty, fields};
use crate::contract::Contract;
use crate::generate::ident::{accessor, token};
use crate::schema::{Schema, Shape};

/// An event's struct, its builder and its implementation of `Event`.
pub(super) fn event(plan: &Plan<'_>, event: &EventPlan<'_>, root: &Root) -> Vec<TokenStream> {
    let contract = event.contract;
    let fields = fields(plan, &event.name, &event.category, &contract.payload, Some(&contract.key));
    let implementation = implementation(&event.name, contract, &fields);
    let object = Object {
        name: &event.name,
        docs: event_docs(contract),
        schema: &contract.payload,
        fields,
        extra: example(contract),
        has_builder: true,
    };
    let mut items = object.items(root);
    // The implementation stands next to the struct.
    items.insert(2, implementation);
    items
}

/// A nested object.
pub(super) fn nested(plan: &Plan<'_>, ty: &TypePlan<'_>, root: &Root) -> Vec<TokenStream> {
    let description = ty.schema.description.as_deref();
    let object = Object {
        name: &ty.name,
        docs: docs(description, &format!("The contract's `{}`.", ty.field)),
        schema: ty.schema,
        fields: fields(plan, &ty.owner, &ty.category, ty.schema, None),
        extra: quote!(),
        has_builder: false,
    };
    object.items(root)
}

fn event_docs(contract: &Contract) -> TokenStream {
    let kind = contract.kind.as_str();
    let otherwise = format!("The {kind} `{}`.", contract.name);
    let summary = docs(contract.summary.as_deref(), &otherwise);
    let description = contract.description.as_deref().map(|text| {
        let lines = text.trim_end().lines().map(doc_line);
        quote!(#[doc = ""] #(#[doc = #lines])*)
    });
    let label = format!(
        " {} `{}`, version {}.",
        if kind == "event" { "Event" } else { "Command" },
        contract.name,
        contract.version
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

fn doc_line(line: &str) -> String {
    if line.is_empty() { String::new() } else { format!(" {line}") }
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
    let key = token(&accessor(&contract.key));
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
    if !has_identifier(field.schema) {
        return None;
    }
    let ident = token(&accessor(field.wire));
    let value = quote!(#owner.#ident);
    let (bound, inner) = if field.is_optional() { (quote!(#ident), true) } else { (value.clone(), false) };
    let body = tag_value(field.wire, field.schema, &field.ty, &bound, inner)?;
    if field.is_optional() {
        return Some(quote!(if let Some(#ident) = &#value { #body }));
    }
    Some(body)
}

/// Adds a value; `is_reference` when `value` is one already.
fn tag_value(
    wire: &str,
    schema: &Schema,
    ty: &Ty,
    value: &TokenStream,
    is_reference: bool,
) -> Option<TokenStream> {
    match (&schema.shape, ty) {
        (Shape::Object(object), _) => {
            let parts: Vec<TokenStream> = object
                .fields
                .iter()
                .filter(|field| has_identifier(&field.schema))
                .map(|field| nested_tag(field, value))
                .collect();
            (!parts.is_empty()).then(|| quote!(#(#parts)*))
        }
        (Shape::List(list), _) => {
            let inner = tag_value(wire, &list.items, ty, &quote!(item), true)?;
            if list.items.is_nullable {
                return Some(quote!(for item in #value.iter().flatten() { #inner }));
            }
            Some(quote!(for item in #value.iter() { #inner }))
        }
        _ if is_reference => Some(quote!(tags.add(#wire, #value);)),
        _ => Some(quote!(tags.add(#wire, &#value);)),
    }
}

fn nested_tag(field: &crate::schema::Field, owner: &TokenStream) -> TokenStream {
    let ident = token(&accessor(&field.name));
    let is_optional = !field.is_required || field.schema.is_nullable;
    let value = if is_optional { quote!(#ident) } else { quote!(#owner.#ident) };
    let body = tag_value(&field.name, &field.schema, &Ty::Text, &value, is_optional).unwrap_or_default();
    if is_optional { quote!(if let Some(#ident) = &#owner.#ident { #body }) } else { body }
}

fn has_identifier(schema: &Schema) -> bool {
    let mut found = false;
    schema.walk(&mut |_, schema| found |= schema.role == crate::schema::Role::Identifier);
    found
}
