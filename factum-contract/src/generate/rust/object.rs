//! Writes structs: private fields, accessors, `new` where there are few fields, a builder where there are many.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::bounded::Root;
use super::docs;
use super::value::{FieldValue, Plain, Ty, has_double};
use crate::generate::ident::{accessor, token};
use crate::schema::{Schema, Shape};

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
        let mut items = vec![self.definition(root), self.functions()];
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
            let ident = token(&accessor(field.wire));
            let ty = held(field);
            let wire = field.wire;
            let mut attributes = Vec::new();
            if ident != wire {
                attributes.push(quote!(rename = #wire));
            }
            if !field.is_required {
                attributes.push(quote!(default));
                attributes.push(quote!(skip_serializing_if = "Option::is_none"));
            }
            if let Some(read) = reads_decimal(&field.ty, field.is_optional()) {
                attributes.push(quote!(deserialize_with = #read));
            }
            let attributes =
                if attributes.is_empty() { quote!() } else { quote!(#[serde(#(#attributes),*)]) };
            quote!(#attributes #ident: #ty)
        });
        quote! {
            #docs
            #[derive(Debug, Clone, PartialEq, #eq rt::serde::Serialize, rt::serde::Deserialize)]
            #[serde(crate = #serde #closed)]
            pub struct #name {
                #(#fields,)*
            }
        }
    }

    fn functions(&self) -> TokenStream {
        let name = token(self.name);
        let new = self.constructor();
        let builder = self.builder_functions();
        let extra = &self.extra;
        let accessors = self.fields.iter().map(accessor_of);
        quote! {
            impl #name {
                #new
                #builder
                #extra
                #(#accessors)*
            }
        }
    }

    fn constructor(&self) -> TokenStream {
        if self.fields.len() > NEW_FIELDS_MAX {
            return quote!();
        }
        let idents: Vec<_> = self.fields.iter().map(|field| token(&accessor(field.wire))).collect();
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
        let idents: Vec<_> = self.fields.iter().map(|field| token(&accessor(field.wire))).collect();
        let values = self.fields.iter().zip(&idents).map(|(field, ident)| {
            let value = if field.ty.is_copy() { quote!(self.#ident) } else { quote!(self.#ident.clone()) };
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
        let idents: Vec<_> = self.fields.iter().map(|field| token(&accessor(field.wire))).collect();
        let types: Vec<_> = self.fields.iter().map(|field| field.ty.owned()).collect();
        let setters = self.fields.iter().map(setter);
        let values = self.fields.iter().zip(&idents).map(|(field, ident)| {
            let path = format!("/{}", field.wire);
            if field.is_optional() {
                return quote!(#ident: self.#ident);
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

/// How a decimal is read: from text alone, because a JSON number would have lost digits.
fn reads_decimal(ty: &Ty, is_optional: bool) -> Option<&'static str> {
    match (ty, is_optional) {
        (Ty::Plain(Plain::Decimal), false) => Some("rt::decimal"),
        (Ty::Plain(Plain::Decimal), true) => Some("rt::optional_decimal"),
        (Ty::Personal(inner), _) if matches!(**inner, Ty::Plain(Plain::Decimal)) => {
            Some(if is_optional { "rt::optional_personal_decimal" } else { "rt::personal_decimal" })
        }
        _ => None,
    }
}

/// The type that the struct holds.
fn held(field: &FieldValue<'_>) -> TokenStream {
    let ty = field.ty.owned();
    if field.is_optional() { quote!(Option<#ty>) } else { ty }
}

fn field_docs(field: &FieldValue<'_>) -> TokenStream {
    docs(field.schema.description.as_deref(), &format!("The contract's `{}`.", field.wire))
}

fn accessor_of(field: &FieldValue<'_>) -> TokenStream {
    let ident = token(&accessor(field.wire));
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
    let ident = token(&accessor(field.wire));
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
