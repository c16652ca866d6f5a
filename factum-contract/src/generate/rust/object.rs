//! Writes structs: private fields, accessors, `new` where there are few fields, a builder where there are many.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::bounded::Root;
use super::docs;
use super::value::{FieldValue, Ty, has_double};
use crate::generate::ident::token;
use crate::schema::{Personal, Schema, Shape};

/// Most fields that a constructor takes; more are given by name.
const NEW_FIELDS_MAX: usize = 4;

/// A struct and all that belongs to it.
pub(super) struct Object<'p> {
    pub(super) name: &'p str,
    pub(super) docs: TokenStream,
    pub(super) schema: &'p Schema,
    pub(super) fields: Vec<FieldValue<'p>>,
    /// Functions beside the accessors.
    pub(super) extra: TokenStream,
    /// Whether it has a builder even with few fields.
    pub(super) has_builder: bool,
}

impl Object<'_> {
    pub(super) fn items(&self, root: &Root) -> Vec<TokenStream> {
        let name = token(self.name);
        let mut items = vec![self.definition(root), quote!(rt::object!(#name);), self.functions()];
        if self.is_built() {
            items.extend(self.builder());
        }
        items
    }

    fn is_built(&self) -> bool {
        self.has_builder || self.fields.len() > NEW_FIELDS_MAX
    }

    fn definition(&self, root: &Root) -> TokenStream {
        let (name, docs, serde) = (token(self.name), &self.docs, &root.serde);
        let eq = if has_double(self.schema) { quote!() } else { quote!(Eq,) };
        let is_closed = matches!(&self.schema.shape, Shape::Object(object) if object.is_closed);
        let closed = if is_closed { quote!(, deny_unknown_fields) } else { quote!() };
        let fields = self.fields.iter().map(|field| {
            let (ident, ty) = (&field.ident, held(field));
            let attributes = self.attributes(field);
            let attributes =
                if attributes.is_empty() { quote!() } else { quote!(#[serde(#(#attributes),*)]) };
            quote!(#attributes #ident: #ty)
        });
        quote! {
            #docs
            #[derive(Debug, Clone, PartialEq, #eq rt::serde::Serialize, rt::serde::Deserialize)]
            #[serde(crate = #serde, remote = "Self" #closed)]
            pub struct #name {
                #(#fields,)*
            }
        }
    }

    /// How serde reads and writes a field.
    fn attributes(&self, field: &FieldValue<'_>) -> Vec<TokenStream> {
        let wire = field.wire;
        let mut attributes = Vec::new();
        if field.ident != wire {
            attributes.push(quote!(rename = #wire));
        }
        if field.default().is_some() {
            let default = format!("{}::{}", self.name, default_function(field));
            attributes.push(quote!(default = #default));
        } else if !field.is_required {
            attributes.push(quote!(default));
            attributes.push(quote!(skip_serializing_if = "Option::is_none"));
        }
        // What serde would take for the same, contracts tell apart: null, nothing, and other spellings.
        let is_exact = field.ty.reads_exactly();
        let is_never_null = field.is_optional() && !field.schema.is_nullable;
        let read = match (is_exact, is_never_null, field.is_required && field.schema.is_nullable) {
            (true, true, _) => "rt::present",
            (true, false, true) => "rt::nullable",
            (true, false, false) => return attributes,
            (false, true, _) => "rt::present_exact",
            (false, false, _) => "rt::exact",
        };
        attributes.push(quote!(deserialize_with = #read));
        attributes
    }

    fn functions(&self) -> TokenStream {
        let name = token(self.name);
        let new = self.constructor();
        let builder = self.builder_functions();
        let extra = &self.extra;
        let accessors = self.fields.iter().map(accessor_of);
        let defaults = self.fields.iter().filter_map(default_of);
        quote! {
            impl #name {
                #new
                #builder
                #extra
                #(#accessors)*
                #(#defaults)*
            }
        }
    }

    fn constructor(&self) -> TokenStream {
        if self.fields.len() > NEW_FIELDS_MAX {
            return quote!();
        }
        let idents: Vec<_> = self.fields.iter().map(|field| &field.ident).collect();
        let arguments =
            self.fields.iter().zip(&idents).map(|(field, ident)| match (&field.ty, field.is_optional()) {
                (Ty::Text, false) => quote!(#ident: impl Into<String>),
                (Ty::Personal(_), false) => {
                    let ty = held(field);
                    quote!(#ident: impl Into<#ty>)
                }
                _ => {
                    let ty = held(field);
                    quote!(#ident: #ty)
                }
            });
        let values =
            self.fields.iter().zip(&idents).map(|(field, ident)| match (&field.ty, field.is_optional()) {
                (Ty::Text | Ty::Personal(_), false) => quote!(#ident: #ident.into()),
                _ => quote!(#ident),
            });
        quote! {
            /// All of it, in the order of the contract.
            #[must_use]
            pub fn new(#(#arguments),*) -> Self {
                Self { #(#values),* }
            }
        }
    }

    fn builder_functions(&self) -> TokenStream {
        if !self.is_built() {
            return quote!();
        }
        let builder = format_ident!("{}Builder", self.name);
        let idents: Vec<_> = self.fields.iter().map(|field| &field.ident).collect();
        let values = self.fields.iter().zip(&idents).map(|(field, ident)| {
            let value = if field.ty.is_copied() { quote!(self.#ident) } else { quote!(self.#ident.clone()) };
            if field.is_optional() { quote!(#ident: #value) } else { quote!(#ident: Some(#value)) }
        });
        quote! {
            /// Starts with nothing; every required field must be given.
            pub fn builder() -> #builder {
                #builder::default()
            }

            /// Starts with all that is here, to make another one that differs.
            pub fn to_builder(&self) -> #builder {
                #builder { #(#values,)* invalid: None }
            }
        }
    }

    fn builder(&self) -> Vec<TokenStream> {
        let name = token(self.name);
        let builder = format_ident!("{}Builder", self.name);
        let idents: Vec<_> = self.fields.iter().map(|field| &field.ident).collect();
        let types: Vec<_> = self.fields.iter().map(|field| field.ty.owned()).collect();
        let setters = self.fields.iter().map(setter);
        let values = self.fields.iter().zip(&idents).map(|(field, ident)| {
            let path = format!("/{}", field.wire);
            if field.is_optional() {
                return quote!(#ident: self.#ident);
            }
            if field.default().is_some() {
                let default = default_function(field);
                return quote!(#ident: self.#ident.unwrap_or_else(#name::#default));
            }
            quote!(#ident: self.#ident.ok_or_else(|| rt::Invalid::missing(#path))?)
        });
        let docs = format!(" Builds {} `{}`, field by field.", article(self.name), self.name);
        vec![
            quote! {
                #[doc = #docs]
                #[derive(Debug, Clone, Default)]
                #[must_use = "nothing is built before `build`"]
                pub struct #builder {
                    #(#idents: Option<#types>,)*
                    invalid: Option<rt::Invalid>,
                }
            },
            quote! {
                impl #builder {
                    #(#setters)*

                    /// Builds it.
                    ///
                    /// # Errors
                    /// The first value that did not fit, else the first field that is missing.
                    pub fn build(self) -> Result<#name, rt::Invalid> {
                        if let Some(invalid) = self.invalid {
                            return Err(invalid);
                        }
                        Ok(#name { #(#values,)* })
                    }
                }
            },
        ]
    }
}

fn article(name: &str) -> &'static str {
    if name.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" }
}

/// The type that the struct holds.
fn held(field: &FieldValue<'_>) -> TokenStream {
    let ty = field.ty.owned();
    if field.is_optional() { quote!(Option<#ty>) } else { ty }
}

fn field_docs(field: &FieldValue<'_>) -> TokenStream {
    let docs = docs(field.schema.description.as_deref(), &format!("The contract's `{}`.", field.wire));
    let mut notes = Vec::new();
    notes.extend(field.schema.unit.as_ref().map(|unit| format!("In `{}`.", plain(unit))));
    notes.extend(field.default().map(|default| format!("When it is absent: `{}`.", plain(&default))));
    notes.extend(field.schema.personal.as_ref().map(|personal| match personal {
        Personal::Subject => "Names a data subject.".to_owned(),
        Personal::Of(subject) => format!("Personal data of `{}`.", plain(subject)),
    }));
    notes.extend(field.schema.is_deprecated.then(|| "Deprecated.".to_owned()));
    if notes.is_empty() {
        return docs;
    }
    let notes = format!(" {}", notes.join(" "));
    quote!(#docs #[doc = ""] #[doc = #notes])
}

/// Text that stands between backticks.
fn plain(text: &str) -> String {
    text.replace(['`', '\n', '\r'], "'")
}

/// The function that gives a field its default; no accessor's name begins like this.
fn default_function(field: &FieldValue<'_>) -> Ident {
    format_ident!("_default_{}", field.ident.to_string().trim_start_matches("r#"))
}

fn default_of(field: &FieldValue<'_>) -> Option<TokenStream> {
    let default = field.default()?;
    let (name, ty) = (default_function(field), held(field));
    Some(quote! {
        fn #name() -> #ty {
            rt::default_of(#default)
        }
    })
}

fn accessor_of(field: &FieldValue<'_>) -> TokenStream {
    let ident = &field.ident;
    let docs = field_docs(field);
    let borrowed = field.ty.borrowed();
    let (answer, value) = match (field.is_optional(), field.ty.is_copy(), &field.ty) {
        (false, true, _) => (borrowed, quote!(self.#ident)),
        (false, false, _) => (borrowed, quote!(&self.#ident)),
        (true, true, _) => (quote!(Option<#borrowed>), quote!(self.#ident)),
        (true, false, Ty::Text | Ty::List(..)) => (quote!(Option<#borrowed>), quote!(self.#ident.as_deref())),
        (true, false, _) => (quote!(Option<#borrowed>), quote!(self.#ident.as_ref())),
    };
    quote! {
        #docs
        #[must_use]
        pub fn #ident(&self) -> #answer {
            #value
        }
    }
}

fn setter(field: &FieldValue<'_>) -> TokenStream {
    let ident = &field.ident;
    let docs = field_docs(field);
    let ty = field.ty.owned();
    let path = format!("/{}", field.wire);
    if field.ty.is_converted() {
        return quote! {
            #docs
            pub fn #ident<V>(mut self, value: V) -> Self
            where
                V: TryInto<#ty>,
                rt::Invalid: From<V::Error>,
            {
                self.#ident = rt::convert(#path, value, &mut self.invalid);
                self
            }
        };
    }
    let (argument, value) = match field.ty {
        Ty::Text | Ty::Personal(_) => (quote!(impl Into<#ty>), quote!(value.into())),
        _ => (ty, quote!(value)),
    };
    quote! {
        #docs
        pub fn #ident(mut self, value: #argument) -> Self {
            self.#ident = Some(#value);
            self
        }
    }
}
